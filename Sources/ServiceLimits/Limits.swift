/// Every bound of the service in one place, each with the reason for its default.
///
/// A value is a plain number of the unit that its name or comment says; durations carry their unit
/// in the type. The struct is copied at start and never changes afterwards.
public struct Limits: Sendable, Equatable {
    // MARK: Request heads (RFC 9112 section 3, RFC 9110 section 5.4)

    /// Bytes of the request line. 8,000 is what RFC 9112 section 3 asks every server to take.
    public var requestLineBytes = 8 * 1024
    /// Bytes of one header field line.
    public var fieldBytes = 8 * 1024
    /// Bytes of all header field lines together.
    public var headerBytes = 32 * 1024
    /// Number of header fields.
    public var fields = 100
    /// Bytes of one chunk's size line after the size: extensions are read and ignored.
    public var chunkExtensionBytes = 256
    /// Bytes of a chunked body's trailer section.
    public var trailerBytes = 8 * 1024

    // MARK: Access

    /// Lines of the token file: the digest of every request's token is compared with each, and a
    /// thousand comparisons take about 15 µs.
    public var identities = 1_000

    // MARK: Connections

    /// Open connections; beyond it new ones are accepted and closed at once.
    public var connections = 16_384
    /// Bytes of an unwanted body that are read and dropped so that the connection can be kept.
    public var drain = 1024 * 1024
    /// How long a connection that is being closed with a body outstanding is still read.
    public var linger = Duration.seconds(5)
    /// From the first byte of a request head (or from accept) to its last: a slow-loris bound.
    public var headTimeout = Duration.seconds(10)
    /// Idle time between two requests on one connection.
    public var idleTimeout = Duration.seconds(75)
    /// A body is given this long before its rate is looked at.
    public var bodyGrace = Duration.seconds(20)
    /// Bytes a second that a body must sustain after the grace, while the service is reading it.
    public var bodyRate = 500
    /// A response of which nothing could be written for this long is dropped.
    public var writeTimeout = Duration.seconds(60)
    /// From SIGTERM on: uploads in flight finish within it or are refused, for which clients get
    /// two seconds more. Service managers commonly kill after 30.
    public var shutdownGrace = Duration.seconds(20)
    /// Bytes read from a socket at once: 64 to 256 KiB measured best, 1 MiB and more slower.
    public var receiveBytes = 256 * 1024
    /// How long a lane that moves bulk data looks for more before it sleeps, as long as more came
    /// that soon last time. Waking a processor that has halted takes a virtual machine as long as
    /// receiving 256 KiB; with this a 400 MB upload took half the time, for the same processor
    /// time. 256 KiB of a slower line than 1.3 GB/s are not waited for like this.
    public var busyPollMicroseconds = 200

    /// Bytes of an answer that wait in the kernel while its reader takes none. Without a bound they
    /// are megabytes, and a thousand stalled readers exhaust the memory that the machine has for
    /// TCP; what is on its way to a reader does not count, so a fast one is not held up.
    public var unsentBytes = 128 * 1024

    // MARK: HTTP/2 (RFC 9113 sections 5.2, 6.5.2)

    /// Requests in progress on one connection: a trainer has one, a gateway a few dozen.
    public var streams = 100
    /// Bytes of a request's body that a client may send before the body's turn has come: what RFC
    /// 9113 gives every stream, so no more of an early body than this is ever kept.
    public var initialWindow = 64 * 1024
    /// The window of a stream whose body is wanted: with 256 KiB frames and 16 MiB windows HTTP/2
    /// is as fast as HTTP/1.1, with the defaults of RFC 9113 a third of it.
    public var streamWindow = 16 * 1024 * 1024
    /// Bytes of one frame's payload, from when a first body of the connection is wanted (16,384
    /// before): larger ones measured no faster.
    public var frameBytes = 1024 * 1024
    /// What a client may spend on frames that lead nowhere before its connection is ended: a frame
    /// costs 1, a PING 5, a stream that is reset 50, as `FrameBudget` lists. So 200 resets or 2,000
    /// PINGs at once, far more than any client sends; 64 bytes of a body give back 1, an answer 10.
    public var frameCredit = 10_000
    /// What time gives back of it in a second: 50 resets, 500 PINGs.
    public var frameCreditRate = 2_500

    // MARK: Sessions

    /// Sessions in the service.
    public var sessions = 10_000
    /// Sessions that one identity of the token file has created: a tenth of all, so that one that
    /// forgets to delete leaves room for the others.
    public var sessionsPerIdentity = 1_000
    /// Bytes that the averages of one session need, two buffers for each. The default bounds
    /// nothing: only the operator knows the models, and the runtime directory is bounded anyway.
    public var sessionBytes = 1 << 50
    /// The same of all sessions together; unbounded too.
    public var allSessionBytes = 1 << 50
    /// Bodies of models and cached weights that are being received in the whole service: an early
    /// one of HTTP/2 may hold `initialWindow`, which comes to 256 MiB.
    public var uploads = 4_096
    /// The same of one identity of the token file: a quarter, so that it leaves room for others.
    public var uploadsPerIdentity = 1_024
    /// Averages in one session.
    public var averages = 32
    /// Bytes of a JSON body: settings and reports.
    public var jsonBytes = 1024 * 1024
    /// Bytes of the JSON bodies that are being received in the whole service, each beyond its first
    /// 4 KiB: an HTTP/2 connection alone could hold a hundred of `jsonBytes`. Room for 64 of the
    /// largest, of which nobody sends one.
    public var allJSONBytes = 64 * 1024 * 1024
    /// Nesting of a JSON document; settings need four.
    public var jsonDepth = 32
    /// Bytes of an uploaded model, header included.
    public var modelBytes = 64 * 1024 * 1024 * 1024
    /// Bytes of a safetensors header: the format allows 100,000,000; 300 tensors need 30 kB.
    public var modelHeaderBytes = 16 * 1024 * 1024
    /// How many bytes a byte of a gzip or deflate body may decode to, beyond the first 4 MiB.
    /// Weights reach 1.1 to 2, weights of which 99 % are zero 50 to 80; what only zeros reach
    /// (1,030) is nearly always made to harm.
    public var inflationRatio = 100
    /// Tensors in one model.
    public var tensors = 100_000
    /// Uploads and reports waiting in one session's queue; beyond it 429.
    public var queuedUploads = 256
    /// Sealed memfds of trainers that one session keeps mapped: one or two for each trainer.
    public var keptMappings = 4
    /// Bytes of memory for uploads that wait for their turn, in the whole service.
    public var stagingBytes = 256 * 1024 * 1024
    /// A body up to this size is staged as soon as it has to wait: less than a round trip's work.
    public var stagedAtOnceBytes = 1024 * 1024
    /// Larger bodies wait in the senders, because staging costs more than a fast turn: they are
    /// staged when the upload whose turn it is sends fewer bytes a second than this.
    public var stagingRate = 64 * 1024 * 1024
    /// While others wait, the upload whose turn it is must sustain this many bytes a second.
    public var leaseRate = 1024 * 1024
    /// The time over which `leaseRate` is measured.
    public var leaseWindow = Duration.seconds(10)
    /// Names of trainers that one session remembers steps for.
    public var trainers = 1_024
    /// Idempotency keys that one session remembers; the oldest is forgotten first.
    public var idempotencyKeys = 10_000
    /// Bodies up to this size are told apart by SHA-256 under an idempotency key, larger by length.
    public var fingerprintBytes = 1024 * 1024
    /// How often sessions are written to the data directory in the background.
    public var checkpointInterval = Duration.seconds(60)
    /// Reports of one session that its state shows; older ones are forgotten.
    public var history = 1_000
    /// Reports one session takes.
    public var reports = 1_000_000
    /// Older revisions of one average that readers may hold in memory, each of the model's size:
    /// so three evaluators that stall one after the other, and a checkpoint, hold no upload up.
    /// Beyond it uploads wait for one.
    public var pinnedRevisions = 4
    /// Bytes a second that a reader must sustain while an upload waits for it: what the upload must
    /// sustain itself while others wait (`leaseRate`). The first `leaseWindow` does not count.
    public var readRate = 1024 * 1024
    /// Bytes of all `cached` weights in the service.
    public var cachedBytes = 4 * 1024 * 1024 * 1024
    /// The longest `Prefer: wait`.
    public var longPoll = Duration.seconds(60)
    /// Long polls waiting in one session.
    public var waiters = 4_096

    public init() {}
}
