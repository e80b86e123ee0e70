import COpenSSL
import Glibc
import Synchronization
import TestSupport

/// The client's side of TLS over a connected socket, which must not block.
///
/// `@unchecked Sendable`: the lock protects the SSL object, so that one thread may send while
/// another receives.
final class ClientTLS: @unchecked Sendable {
    struct Options: Sendable {
        var protocols: [String] = []
        var version: Int32?
        /// The name of a pair in `TestCertificates`.
        var certificate: String?
    }

    private let fd: Int32
    private let ssl: OpaquePointer
    private let lock = Mutex(())

    /// Shakes hands, and verifies the server's certificate.
    init(fd: Int32, _ options: Options = Options()) throws {
        self.fd = fd
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw TLSFailure("context") }
        defer { SSL_CTX_free(context) }
        let certificates = TestCertificates.shared
        SSL_CTX_load_verify_file(context, certificates.path("ca.pem"))
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        if let name = options.certificate {
            SSL_CTX_use_certificate_chain_file(context, certificates.path(name + ".pem"))
            SSL_CTX_use_PrivateKey_file(
                context, certificates.path(name + ".key"), SSL_FILETYPE_PEM)
        }
        if let version = options.version { openssl_set_minimum_version(context, version) }
        ssl = SSL_new(context)
        let names = options.protocols.flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
        if !names.isEmpty { SSL_set_alpn_protos(ssl, names, UInt32(names.count)) }
        if let version = options.version, version == TLS1_2_VERSION {
            openssl_set_maximum_version(ssl, version)
        }
        SSL_set_fd(ssl, fd)
        _ = try repeated("handshake") { SSL_connect(ssl) }
    }

    deinit { SSL_free(ssl) }

    /// At most `buffer.count` bytes; 0 at the end, whether it was announced or not.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var count = 0
        _ = try repeated("read") { SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count) }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        var count = 0
        _ = try repeated("write") { SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count) }
        return count
    }

    /// Sends close_notify.
    func endWriting() {
        lock.withLock { _ in _ = SSL_shutdown(ssl) }
    }

    /// Whether a byte can be read within `milliseconds`; tickets, which come by themselves, do not
    /// count.
    func isReadable(within milliseconds: Int32) -> Bool {
        let end = ContinuousClock.now.advanced(by: .milliseconds(Int(milliseconds)))
        while true {
            var byte: UInt8 = 0
            let code = lock.withLock { _ in
                ERR_clear_error()
                return SSL_get_error(ssl, SSL_peek(ssl, &byte, 1))
            }
            guard code == SSL_ERROR_WANT_READ else { return true }
            var wanted = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            let left = ContinuousClock.now.duration(to: end) / .milliseconds(1)
            guard left > 0 else { return false }
            _ = poll(&wanted, 1, Int32(left.rounded(.up)))
        }
    }

    /// Whether the server announced its end.
    var hasEnded: Bool {
        lock.withLock { _ in SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }
    }

    /// The common name of the server's certificate.
    var serverName: String? {
        var name = [CChar](repeating: 0, count: 64)
        let subject = X509_get_subject_name(SSL_get0_peer_certificate(ssl))
        let length = X509_NAME_get_text_by_NID(subject, NID_commonName, &name, 64)
        return String(decoding: name.prefix(Int(length)).map(UInt8.init), as: UTF8.self)
    }

    /// What came over the socket so far.
    var receivedBytes: Int { Int(BIO_number_read(SSL_get_rbio(ssl))) }

    enum Keys: Int32 {
        case own, both
    }

    /// Announces new keys (RFC 8446 section 4.6.3).
    func changeKeys(of keys: Keys) {
        let type = keys == .own ? SSL_KEY_UPDATE_NOT_REQUESTED : SSL_KEY_UPDATE_REQUESTED
        _ = lock.withLock { _ in SSL_key_update(ssl, type) }
        _ = try? repeated("key update") { SSL_do_handshake(ssl) }
    }

    private func repeated(_ call: String, _ body: () -> Int32) throws -> Bool {
        while true {
            let (result, code) = lock.withLock { _ in
                ERR_clear_error()
                errno = 0
                let result = body()
                return (result, SSL_get_error(ssl, result))
            }
            if result > 0 { return true }
            var wanted = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            switch code {
            case SSL_ERROR_WANT_READ: break
            case SSL_ERROR_WANT_WRITE: wanted.events = Int16(POLLOUT)
            case SSL_ERROR_ZERO_RETURN: return false
            case SSL_ERROR_SYSCALL: throw ClientError(call: call, code: errno)
            default: throw TLSFailure(call)
            }
            guard uninterrupted({ poll(&wanted, 1, Int32(patience) * 1_000) }) > 0 else {
                throw ClientError(call: call, code: EAGAIN)
            }
        }
    }
}

/// What OpenSSL complains of.
struct TLSFailure: Error, CustomStringConvertible {
    let description: String

    init(_ call: String) {
        let reason = ERR_reason_error_string(ERR_peek_error()).map { String(cString: $0) }
        description = "\(call): \(reason ?? "unknown")"
    }
}
