import ServiceLimits

extension Setting {
    /// Every setting there is, in the order of the reference file.
    static let table: [Setting] =
        service + tls + access + heads + connections + http2 + sessions

    private static let service = [
        Setting(
            "listen", .addresses(\.listen),
            """
            Where to listen; after https:// TLS is spoken. Port 0 takes a free one, which the line \
            `listening on` tells.
            """),
        Setting(
            "allow-anonymous", .flag(\.allowAnonymous),
            """
            Needed to listen without a token file on any but a loopback address or a Unix socket: \
            whoever reaches the address may then read, change and delete every session. With a \
            token file it changes nothing: everyone needs a token.
            """),
        Setting(
            "token-file", .path(\.tokenFile, none: Settings.off),
            """
            Who may use the service, one a line: name:role:sha256-of-the-token, and \
            :session-prefix behind it for one who sees only sessions named so. `polyak token` \
            makes lines; SIGHUP reads the file again. off: whoever reaches the service may do \
            everything.
            """),
        Setting(
            "runtime-directory", .path(\.runtimeDirectory, none: Settings.automatic),
            """
            Where the averages lie while the service runs; memory (tmpfs) for speed. auto: \
            $RUNTIME_DIRECTORY (systemd), else /dev/shm/polyak-UID, else $XDG_RUNTIME_DIR/polyak, \
            else /tmp/polyak-UID.
            """),
        Setting(
            "data-directory", .path(\.dataDirectory, none: Settings.automatic),
            """
            Where sessions are written so that they outlast the machine; on a disk. auto: \
            $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/polyak, else ~/.local/state/polyak.
            """),
        Setting(
            "local-files", .path(\.localFiles, none: Settings.off),
            """
            Trainers on this host may name files beneath this directory instead of sending a \
            model, and pass memfds over a Unix socket. Over loopback too, so not where a proxy on \
            this host lets others in. off: nobody may.
            """),
        Setting(
            "lanes", .count(\.lanes, 0...1024),
            "Event loops that serve the connections; 0 is one for each processor."),
        Setting(
            "log-level",
            .choice(\.logLevel, ["trace", "debug", "info", "notice", "warning", "error"]),
            "The least important lines that are logged, to standard error."),
        Setting(
            "shutdown-grace", .duration(\.limits.shutdownGrace, .zero ... .seconds(3600)),
            """
            From SIGTERM on: uploads in flight finish within it or are refused, for which clients \
            get two seconds more. The service manager must wait longer before it kills.
            """),
    ]

    private static let tls = [
        Setting(
            "tls-certificate", .path(\.tlsCertificate, none: Settings.off),
            """
            For https:// addresses: the service's certificate, and after it the ones that lead to \
            its authority, in PEM. SIGHUP reads all TLS files again; open connections keep theirs.
            """),
        Setting(
            "tls-key", .path(\.tlsKey, none: Settings.off),
            "The certificate's private key, in PEM without a password, closed to other users."),
        Setting(
            "tls-client-ca", .path(\.tlsClientCA, none: Settings.off),
            """
            Certificates, in PEM, of the authorities that vouch for clients (mutual TLS). A client \
            is known by its certificate's DNS names, or where it has none, by its common name.
            """),
        Setting(
            "tls-client", .choice(\.tlsClient, ["off", "optional", "required"]),
            """
            Whether a client has to show a certificate that tls-client-ca vouches for. One that is \
            shown and not vouched for is refused, unless off: then none is asked for.
            """),
    ]

    /// RFC 9112 section 3, RFC 9110 section 5.4.
    private static let heads = [
        Setting(
            "request-line-bytes", .bytes(\.limits.requestLineBytes, 1024...1 << 20),
            "A request's first line; RFC 9112 asks for 8,000 bytes at least. Beyond it 414."),
        Setting(
            "field-bytes", .bytes(\.limits.fieldBytes, 256...1 << 20),
            "One header field. Beyond it 431."),
        Setting(
            "header-bytes", .bytes(\.limits.headerBytes, 1024...16 << 20),
            "All header fields of a request. Beyond it 431."),
        Setting(
            "fields", .count(\.limits.fields, 10...10_000),
            "Header fields of a request. Beyond it 431."),
        Setting(
            "chunk-extension-bytes", .bytes(\.limits.chunkExtensionBytes, 0...64 << 10),
            "What may follow a chunk's size; it is read and ignored."),
        Setting(
            "trailer-bytes", .bytes(\.limits.trailerBytes, 0...1 << 20),
            "What may follow a chunked body's last chunk; it is read and ignored."),
    ]

    private static let access = [
        Setting(
            "identities", .count(\.limits.identities, 1...100_000),
            "Lines of the token file. Each is compared with the token of every request.")
    ]

    private static let connections = [
        Setting(
            "connections", .count(\.limits.connections, 1...1_000_000),
            """
            Open connections; further ones are closed at once. Each needs a descriptor, so the \
            limit of open files has to be higher.
            """),
        Setting(
            "drain", .bytes(\.limits.drain, 0...1 << 30),
            "An unwanted body up to this size is read and dropped, and the connection kept."),
        Setting(
            "linger", .duration(\.limits.linger, .zero ... .seconds(60)),
            """
            How long a connection closed during a body is still read, so that the client sees the \
            answer instead of a reset.
            """),
        Setting(
            "head-timeout", .duration(\.limits.headTimeout, .milliseconds(100) ... .seconds(3600)),
            "From a request's first byte to the end of its head. Beyond it 408."),
        Setting(
            "idle-timeout",
            .duration(\.limits.idleTimeout, .milliseconds(100) ... .seconds(86400)),
            "How long a connection is kept between two requests."),
        Setting(
            "body-grace", .duration(\.limits.bodyGrace, .zero ... .seconds(3600)),
            "A body gets this long before its rate is looked at."),
        Setting(
            "body-rate", .bytesPerSecond(\.limits.bodyRate, 1...1 << 30),
            """
            What a body must sustain after the grace, while the service reads it. Slow lines pass, \
            stalled ones do not.
            """),
        Setting(
            "write-timeout",
            .duration(\.limits.writeTimeout, .milliseconds(100) ... .seconds(3600)),
            "A client that takes nothing of an answer for this long is dropped."),
        Setting(
            "receive-bytes", .bytes(\.limits.receiveBytes, 4096...16 << 20),
            "Read from a socket at once. 64KiB to 256KiB measured best, 1MiB and more slower."),
        Setting(
            "busy-poll-microseconds", .count(\.limits.busyPollMicroseconds, 0...1000),
            """
            How long a thread that moves models looks for more bytes before it sleeps, as long as \
            they came that soon last time. Halves the time of an upload from the same host; 0 \
            saves the processor time where that is metered.
            """),
        Setting(
            "unsent-bytes", .bytes(\.limits.unsentBytes, 4096...1 << 30),
            """
            What of an answer waits in the kernel while its client takes none. More is taken from \
            the memory that the machine has for all TCP connections.
            """),
    ]

    /// RFC 9113 sections 5.2 and 6.5.2.
    private static let http2 = [
        Setting(
            "streams", .count(\.limits.streams, 1...10_000),
            "HTTP/2 requests in progress on one connection; a further one is refused."),
        Setting(
            "initial-window", .bytes(\.limits.initialWindow, 1024...16 << 20),
            "What an HTTP/2 client may send of a body before the body's turn has come."),
        Setting(
            "stream-window", .bytes(\.limits.streamWindow, 64 << 10...1 << 30),
            """
            What may be under way of an HTTP/2 body whose turn has come. Small windows make HTTP/2 \
            a third as fast as HTTP/1.1.
            """),
        Setting(
            "frame-bytes", .bytes(\.limits.frameBytes, 16 << 10...(16 << 20) - 1),
            "The largest HTTP/2 frame that clients may send, and that they get if they take it."),
        Setting(
            "frame-credit", .count(\.limits.frameCredit, 1000...10_000_000),
            """
            What an HTTP/2 client may spend on frames that lead nowhere before its connection is \
            ended: a frame costs 1, a PING 5, a stream that is reset 50. 64 bytes of a body give \
            back 1, an answer 10.
            """),
        Setting(
            "frame-credit-rate", .count(\.limits.frameCreditRate, 100...1_000_000),
            "What each second gives back of frame-credit."),
    ]

    private static let sessions = [
        Setting(
            "sessions", .count(\.limits.sessions, 1...1_000_000),
            "Sessions in the service. Beyond it 429."),
        Setting(
            "sessions-per-identity", .count(\.limits.sessionsPerIdentity, 0...1_000_000),
            """
            Sessions that one identity of the token file has created and not deleted. Beyond it \
            429. Sessions made without a token file are nobody's.
            """),
        Setting(
            "session-bytes", .bytes(\.limits.sessionBytes, 0...1 << 50),
            """
            What the averages of one session need, two buffers of the model's size for each. \
            Beyond it the first upload gets 507. The default is no bound: only you know your \
            models.
            """),
        Setting(
            "all-session-bytes", .bytes(\.limits.allSessionBytes, 0...1 << 50),
            """
            The same of all sessions together. The default is no bound beside the room in the \
            runtime directory, which older revisions and cached weights need too.
            """),
        Setting(
            "uploads", .count(\.limits.uploads, 1...1_000_000),
            """
            Uploads of models and cached weights in progress in the whole service, those that wait \
            for their turn included. Beyond it 429.
            """),
        Setting(
            "uploads-per-identity", .count(\.limits.uploadsPerIdentity, 1...1_000_000),
            "The same of one identity of the token file."),
        Setting(
            "averages", .count(\.limits.averages, 1...32),
            "Averages of one session."),
        Setting(
            "json-bytes", .bytes(\.limits.jsonBytes, 1024...64 << 20),
            "A JSON body: settings or a report. Beyond it 413."),
        Setting(
            "all-json-bytes", .bytes(\.limits.allJSONBytes, 0...1 << 40),
            """
            Memory for JSON bodies that are being received, in the whole service, each beyond its \
            first 4KiB. When it is spent, 503.
            """),
        Setting(
            "json-depth", .count(\.limits.jsonDepth, 4...512),
            "How deep JSON may nest; settings need four."),
        Setting(
            "model-bytes", .bytes(\.limits.modelBytes, 1...1 << 40),
            "An uploaded model, its header included. Beyond it 413."),
        Setting(
            "model-header-bytes", .bytes(\.limits.modelHeaderBytes, 64...100_000_000),
            "A safetensors header: 300 tensors need 30 kB, the format allows 100,000,000 bytes."),
        Setting(
            "inflation-ratio", .count(\.limits.inflationRatio, 1...1100),
            """
            How many bytes a byte of a gzip or deflate body may decode to, beyond the first 4MiB. \
            Weights reach 2 at most, unless nearly all are zero; 1100 allows all there is. Beyond \
            it 413.
            """),
        Setting(
            "tensors", .count(\.limits.tensors, 1...10_000_000),
            "Tensors of one model."),
        Setting(
            "queued-uploads", .count(\.limits.queuedUploads, 1...65_536),
            "Uploads and reports that wait for their turn in one session. Beyond it 429."),
        Setting(
            "staging-bytes", .bytes(\.limits.stagingBytes, 0...1 << 40),
            """
            Memory for uploads that wait for their turn, in the whole service; when it is spent \
            they are not read until there is room.
            """),
        Setting(
            "kept-mappings", .count(\.limits.keptMappings, 0...1024),
            """
            Sealed memfds of trainers that one session keeps mapped while they are uploaded again \
            and again: one or two for each trainer.
            """),
        Setting(
            "staged-at-once-bytes", .bytes(\.limits.stagedAtOnceBytes, 0...1 << 30),
            "A body up to this size is staged as soon as it has to wait for its turn."),
        Setting(
            "staging-rate", .bytesPerSecond(\.limits.stagingRate, 0...1 << 40),
            """
            Larger bodies wait in their senders, and are staged when the upload whose turn it is \
            sends fewer bytes a second than this.
            """),
        Setting(
            "lease-rate", .bytesPerSecond(\.limits.leaseRate, 1...1 << 30),
            "What the upload whose turn it is must sustain while others wait. Below it 408."),
        Setting(
            "lease-window",
            .duration(\.limits.leaseWindow, .milliseconds(100) ... .seconds(3600)),
            "The time over which lease-rate is measured."),
        Setting(
            "trainers", .count(\.limits.trainers, 1...1024),
            "Trainers whose last step one session remembers."),
        Setting(
            "idempotency-keys", .count(\.limits.idempotencyKeys, 1...1_000_000),
            "Idempotency keys that one session remembers; the oldest is forgotten first."),
        Setting(
            "fingerprint-bytes", .bytes(\.limits.fingerprintBytes, 0...64 << 20),
            """
            Under an idempotency key, bodies up to this size are told apart by their SHA-256, \
            larger ones by their length.
            """),
        Setting(
            "reports", .count(\.limits.reports, 1...100_000_000),
            "Epoch reports that one session takes."),
        Setting(
            "checkpoint-interval",
            .duration(\.limits.checkpointInterval, .milliseconds(10) ... .seconds(86400)),
            """
            How often changed sessions are written to the data directory in the background. Losing \
            the machine loses at most this much of a session whose durability is `process`.
            """),
        Setting(
            "history", .count(\.limits.history, 0...10_000_000),
            "Epoch reports of one session that are kept to be shown; the oldest go first."),
        Setting(
            "pinned-revisions", .count(\.limits.pinnedRevisions, 0...64),
            """
            Older revisions of one average that readers may hold, each as large as the model; \
            beyond it uploads wait for one of them.
            """),
        Setting(
            "read-rate", .bytesPerSecond(\.limits.readRate, 1...1 << 30),
            """
            What a reader must sustain, after the first lease-window, while an upload waits for \
            the revision that it holds. Below it the connection is reset.
            """),
        Setting(
            "cached-bytes", .bytes(\.limits.cachedBytes, 0...1 << 40),
            "All weights that trainers keep in the service by PUT …/cached. Beyond it 429."),
        Setting(
            "long-poll", .duration(\.limits.longPoll, .zero ... .seconds(60)),
            "The longest wait that `Prefer: wait` gets."),
        Setting(
            "waiters", .count(\.limits.waiters, 0...65_536),
            "Requests that wait for a newer average, in one session."),
    ]
}
