import COpenSSL
import Glibc

/// A socket as OpenSSL reads and writes it: a source and sink of its own kind (bio(7)).
///
/// OpenSSL's own would read in one call whatever a peer sends that brings no byte to be had, such
/// as key updates without end, while the lane's other connections wait: so one call of OpenSSL's
/// gets an allowance. And where the socket is full it would leave a record with OpenSSL, which
/// gives the connection up when the peer then asks for new keys: so the rest of a record is kept
/// here.
final class TLSSocket {
    /// Bytes of records that one call of OpenSSL's may read: some four records, for one of which
    /// it is asked.
    static let allowance = 64 * 1024

    /// Bytes kept for a full socket: what a record leaves, and answers to some hundred messages of
    /// a peer that takes none.
    private static let keptBytes = 32 * 1024

    /// Changes of keys (RFC 8446 section 4.6.3) that may come in one read of the connection, some
    /// 256 KiB: each costs 4 µs, and nobody needs one for less than gigabytes.
    private static let keyChanges = 64

    /// Belongs to the SSL object that it was given to.
    let bio: OpaquePointer
    private let fd: Int32
    private var allowance = TLSSocket.allowance
    /// The last read was refused because the allowance is spent, not because the socket is empty.
    private(set) var hasSpentAllowance = false
    private var hasEnded = false
    /// Written by OpenSSL and not taken by the socket, from `keptStart` on.
    private var kept: [UInt8] = []
    private var keptStart = 0
    /// Why the socket failed.
    private(set) var error: Int32?
    private(set) var readBytes: UInt64 = 0
    private(set) var writtenBytes: UInt64 = 0
    private var keyChanges = 0

    /// - Parameter method: what `makeMethod` returned; it must outlive the connection.
    init(fd: Int32, method: OpaquePointer) {
        guard let bio = BIO_new(method) else {
            preconditionFailure("no memory for a TLS connection")
        }
        self.fd = fd
        self.bio = bio
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
    }

    /// The functions that OpenSSL calls; for `BIO_meth_free`.
    static func makeMethod() -> OpaquePointer {
        guard let method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket") else {
            preconditionFailure("no memory for TLS")
        }
        BIO_meth_set_read(method) { bio, buffer, count in
            TLSSocket.of(bio).read(into: buffer, count: Int(count))
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            TLSSocket.of(bio).write(bytes, count: Int(count))
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_EOF: TLSSocket.of(bio).hasEnded ? 1 : 0
            // What is kept is written when the socket takes it.
            case BIO_CTRL_FLUSH: 1
            default: 0
            }
        }
        return method
    }

    /// Counts the peer's changes of keys. `ssl` must not outlive this object.
    func watchKeys(of ssl: OpaquePointer) {
        SSL_set_msg_callback(ssl) { isSent, _, type, message, length, _, socket in
            guard isSent == 0, type == SSL3_RT_HANDSHAKE, length > 0, let message, let socket,
                message.load(as: UInt8.self) == UInt8(SSL3_MT_KEY_UPDATE)
            else { return }
            Unmanaged<TLSSocket>.fromOpaque(socket).takeUnretainedValue().keyChanges += 1
        }
        openssl_set_message_argument(ssl, Unmanaged.passUnretained(self).toOpaque())
    }

    func forgetKeyChanges() { keyChanges = 0 }

    /// The peer changes its keys to keep us busy.
    var isFloodedWithKeys: Bool { keyChanges > Self.keyChanges }

    func renewAllowance() {
        allowance = Self.allowance
        hasSpentAllowance = false
    }

    private static func of(_ bio: OpaquePointer?) -> TLSSocket {
        guard let data = BIO_get_data(bio) else {
            preconditionFailure("OpenSSL calls back for a socket that is not ours")
        }
        return Unmanaged.fromOpaque(data).takeUnretainedValue()
    }

    private func read(into buffer: UnsafeMutablePointer<CChar>?, count: Int) -> Int32 {
        openssl_clear_retry(bio)
        guard allowance > 0 else {
            hasSpentAllowance = true
            openssl_retry_read(bio)
            return -1
        }
        switch systemCall({ recv(fd, buffer, count, 0) }) {
        case .done(let received):
            if received == 0 { hasEnded = true }
            allowance -= received
            readBytes += UInt64(received)
            return Int32(received)
        case .again:
            openssl_retry_read(bio)
        case .failed(let code):
            error = code
        }
        return -1
    }

    private func write(_ bytes: UnsafePointer<CChar>?, count: Int) -> Int32 {
        openssl_clear_retry(bio)
        let bytes = UnsafeRawBufferPointer(start: bytes, count: count)
        var sent = 0
        if case .done = flush(), case .done(let count) = send(bytes) { sent = count }
        if error != nil { return -1 }
        guard kept.count - keptStart < Self.keptBytes else {
            openssl_retry_write(bio)
            return -1
        }
        writtenBytes += UInt64(count)
        if sent < count { kept += bytes[sent...] }
        return Int32(count)
    }

    /// Whether bytes wait for the socket to take them.
    var holdsOutput: Bool { !kept.isEmpty }

    /// Writes what waits.
    func flush() -> SystemOutcome {
        while !kept.isEmpty {
            let outcome = kept.withUnsafeBytes {
                send(UnsafeRawBufferPointer(rebasing: $0[keptStart...]))
            }
            guard case .done(let count) = outcome else { return outcome }
            keptStart += count
            if keptStart == kept.count {
                kept = []
                keptStart = 0
            }
        }
        return .done(0)
    }

    private func send(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome {
        let outcome = systemCall {
            Glibc.send(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        if case .failed(let code) = outcome { error = code }
        return outcome
    }
}
