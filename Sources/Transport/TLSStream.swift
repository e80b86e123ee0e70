import COpenSSL
import Glibc
import HTTPWire

/// A socket's bytes under TLS 1.2 (RFC 5246) or 1.3 (RFC 8446), by OpenSSL.
///
/// OpenSSL reads and writes the socket through `TLSSocket`. It gives and takes at most a record of
/// 16 KiB at once, so the calls here repeat: a read until the buffer is full or the socket empty, a
/// write until everything is written or the socket full. A peer's end without a close_notify is
/// taken as an end: HTTP's framing tells a cut message from a whole one (RFC 9112 section 9.8).
///
/// A connection that waits has no buffers (`SSL_MODE_RELEASE_BUFFERS`). The queue of errors is the
/// thread's, so it is emptied before each call whose outcome is looked at.
final class TLSStream: ByteStream {
    /// The largest plaintext of a record (RFC 8446 section 5.1).
    private static let recordBytes = 16 * 1024
    /// Bytes read from the socket at once: four records with what RFC 8446 section 5.2 lets each
    /// have beside its content. A whole number of them, else each read needs another for a rest;
    /// with many more the allocator asks the system for memory each time. A handshake makes do
    /// with one record's, so that many that stall are cheap.
    private static let readAheadBytes = 4 * (recordBytes + 5 + 256)
    /// Records that one read takes. A record of one byte costs a microsecond, so a buffer filled by
    /// such would keep the lane's other connections waiting for a quarter of a second; with the
    /// records of 1,400 bytes that some clients send, the buffer is full before that.
    private static let readRecords = 256

    private let context: TLSContext
    private let ssl: OpaquePointer
    private let socket: TLSSocket
    /// The peer broke the protocol or the socket failed: OpenSSL must not be asked again.
    private var failure: Int32?
    private var hasEndedWriting = false
    /// What `socket.readBytes` was when the last byte was had.
    private var readBytesAtInput: UInt64 = 0

    private(set) var holdsInput = false
    private(set) var readInterest = Interest.read
    private(set) var writeInterest = Interest.write

    init(fd: Int32, context: TLSContext) {
        guard let ssl = SSL_new(context.pointer) else {
            preconditionFailure("no memory for a TLS connection")
        }
        self.context = context
        self.ssl = ssl
        socket = TLSSocket(fd: fd, method: context.method)
        SSL_set_bio(ssl, socket.bio, socket.bio)
        socket.watchKeys(of: ssl)
        SSL_set_accept_state(ssl)
    }

    deinit {
        SSL_free(ssl)
    }

    var isPlain: Bool { false }

    var incompleteBytes: Int { Int(socket.readBytes - readBytesAtInput) }

    func handshake() -> HandshakeOutcome {
        _ = socket.flush()
        switch call(waits: &readInterest, { SSL_do_handshake(ssl) }) {
        case .done(0):
            return .failed(ECONNRESET, reason: "the client ended it")
        case .done:
            // A request may have come in one packet with the handshake's end.
            holdsInput = true
            readBytesAtInput = socket.readBytes
            SSL_set_default_read_buffer_len(ssl, Self.readAheadBytes)
            return .done(
                Agreement(
                    isEncrypted: true, certificateNames: CertificateNames.verified(of: ssl),
                    applicationProtocol: agreedProtocol))
        case .again:
            if socket.holdsOutput { readInterest.insert(.write) }
            return .again
        case .failed(EPROTO) where socket.writtenBytes == 0:
            return .foreign
        case .failed(let code):
            return .failed(
                code, reason: code == EPROTO ? OpenSSLErrors.take() : describe(code))
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> SystemOutcome {
        holdsInput = false
        socket.forgetKeyChanges()
        var count = 0
        var records = 0
        while count < buffer.count, records < Self.readRecords {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            var read = 0
            socket.renewAllowance()
            switch call(
                waits: &readInterest, { SSL_read_ex(ssl, rest.baseAddress, rest.count, &read) })
            {
            case .done(0):
                // The peer's end comes up again with the next call.
                holdsInput = count > 0
                return .done(count)
            case .done:
                count += read
                records += 1
                readBytesAtInput = socket.readBytes
            case .again:
                holdsInput = socket.hasSpentAllowance
                return count > 0 ? .done(count) : .again
            case .failed(let code):
                // So does its failure.
                holdsInput = count > 0
                return count > 0 ? .done(count) : .failed(code)
            }
        }
        holdsInput = true
        return .done(count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome {
        var count = 0
        while count < bytes.count {
            switch writeRecord(UnsafeRawBufferPointer(rebasing: bytes[count...])) {
            case .done(let written): count += written
            case .again: return count > 0 ? .done(count) : .again
            case .failed(let code): return .failed(code)
            }
        }
        return .done(count)
    }

    /// Small pieces are joined, because each record costs its head, its tag and a packet: what is
    /// less than a record up to the next place that is not.
    func write(_ pieces: UnsafeBufferPointer<iovec>) -> SystemOutcome {
        var cursor = PieceCursor(pieces)
        return withUnsafeTemporaryAllocation(byteCount: Self.recordBytes, alignment: 16) { room in
            var count = 0
            while !cursor.isAtEnd {
                switch writeRecord(cursor.next(Self.recordBytes, joinedIn: room)) {
                case .done(let written):
                    cursor.advance(by: written)
                    count += written
                case .again: return count > 0 ? .done(count) : .again
                case .failed(let code): return .failed(code)
                }
            }
            return .done(count)
        }
    }

    func flush() -> SystemOutcome {
        if socket.holdsOutput { writeInterest = .write }
        return socket.flush()
    }

    /// Sends close_notify. The peer's own is not waited for (RFC 8446 section 6.1).
    func endWriting() -> Bool {
        if failure == nil, !hasEndedWriting, SSL_is_init_finished(ssl) == 1 {
            let outcome = call(waits: &writeInterest) {
                // 0 says that the peer has not ended its side, which is no failure.
                let result = SSL_shutdown(ssl)
                return result == 0 ? 1 : result
            }
            if case .again = outcome { return false }
            hasEndedWriting = true
        }
        if case .again = flush() { return false }
        return true
    }

    /// Writes the first record's worth of `bytes`, when the records before are in the socket.
    private func writeRecord(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome {
        let flushed = flush()
        guard case .done = flushed else { return flushed }
        var written = 0
        let outcome = call(waits: &writeInterest) {
            SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written)
        }
        guard case .done = outcome else { return outcome }
        // Nothing more can be written after an end; asked again, it would say so for ever.
        return written > 0 ? .done(written) : .failed(EPIPE)
    }

    /// Makes a call of OpenSSL's whose positive results are successes.
    ///
    /// - Returns: `.done(1)` for a success, `.done(0)` for the peer's end.
    private func call(waits interest: inout Interest, _ body: () -> Int32) -> SystemOutcome {
        if let failure { return .failed(failure) }
        ERR_clear_error()
        let result = body()
        if socket.isFloodedWithKeys {
            failure = EPROTO
            return .failed(EPROTO)
        }
        guard result <= 0 else { return .done(1) }
        let code: Int32
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ:
            interest = .read
            return .again
        case SSL_ERROR_WANT_WRITE:
            interest = .write
            return .again
        // What is written after the peer's end fails under this name, too.
        case SSL_ERROR_ZERO_RETURN where socket.error == nil: return .done(0)
        default: code = socket.error ?? EPROTO
        }
        failure = code
        return .failed(code)
    }

    /// What ALPN chose (RFC 7301).
    private var agreedProtocol: ApplicationProtocol? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        let bytes = UnsafeBufferPointer(start: name, count: Int(length))
        return ApplicationProtocol(rawValue: String(decoding: bytes, as: UTF8.self))
    }
}
