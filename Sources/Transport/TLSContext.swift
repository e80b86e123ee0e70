import COpenSSL
import Glibc
import HTTPWire

/// A certificate with its key, and the rules of TLS that connections made from it keep to.
///
/// `@unchecked Sendable`: the context is not changed once it is made, and OpenSSL counts references
/// to it and locks what it changes itself.
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    /// How connections read and write their sockets; see `TLSSocket`.
    let method = TLSSocket.makeMethod()
    /// Names of protocols, each with its length before it, as ALPN has them.
    private let offered: UnsafeBufferPointer<UInt8>

    /// Forward secrecy and authenticated encryption alone: what RFC 9113 section 9.2.2 and RFC 9325
    /// section 4.2 leave of TLS 1.2. AES with 128 bits first: a quarter faster than with 256.
    private static let oldCiphers = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"
    /// The same of TLS 1.3.
    private static let ciphers =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

    /// Reads the files.
    ///
    /// - Parameter protocols: what ALPN may choose, the most wanted first.
    init(_ files: TLSFiles, protocols: [ApplicationProtocol]) throws(TLSError) {
        guard let pointer = SSL_CTX_new(TLS_server_method()) else {
            throw .refused(reason: OpenSSLErrors.take())
        }
        self.pointer = pointer
        let list = UnsafeMutableBufferPointer<UInt8>.allocate(
            capacity: protocols.reduce(0) { $0 + 1 + $1.rawValue.utf8.count })
        _ = list.initialize(
            fromContentsOf: protocols.flatMap { [UInt8($0.rawValue.utf8.count)] + $0.rawValue.utf8 }
        )
        offered = UnsafeBufferPointer(list)

        ERR_clear_error()
        try setRules()
        setProtocols()
        try useCertificate(files)
        if let authorities = files.clientAuthorities {
            try verifyClients(by: authorities, isRequired: files.requiresClientCertificate)
        }
    }

    deinit {
        SSL_CTX_free(pointer)
        BIO_meth_free(method)
        offered.deallocate()
    }

    private func setRules() throws(TLSError) {
        openssl_set_options(pointer)
        // Records that were begun may be completed from other memory. After a message of the
        // handshake's a read returns, so that it ends when the socket is empty (see TLSSocket).
        openssl_change_modes(
            pointer,
            Int(
                SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                    | SSL_MODE_RELEASE_BUFFERS),
            Int(SSL_MODE_AUTO_RETRY))
        openssl_read_ahead(pointer)
        // Tickets hold what a session needs, so nothing of it is kept here.
        openssl_cache_no_sessions(pointer)
        let name = Array("polyak".utf8)
        guard openssl_set_minimum_version(pointer, TLS1_2_VERSION) == 1,
            SSL_CTX_set_cipher_list(pointer, Self.oldCiphers) == 1,
            SSL_CTX_set_ciphersuites(pointer, Self.ciphers) == 1,
            SSL_CTX_set_session_id_context(pointer, name, UInt32(name.count)) == 1
        else { throw .refused(reason: OpenSSLErrors.take()) }
    }

    /// The server's order counts; a client that offers protocols and none of ours is refused (RFC
    /// 7301 section 3.2).
    private func setProtocols() {
        SSL_CTX_set_alpn_select_cb(
            pointer,
            { _, chosen, chosenLength, wanted, wantedLength, context in
                guard let context else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                let own = Unmanaged<TLSContext>.fromOpaque(context).takeUnretainedValue().offered
                var found: UnsafeMutablePointer<UInt8>?
                let result = SSL_select_next_proto(
                    &found, chosenLength, own.baseAddress, UInt32(own.count), wanted, wantedLength)
                guard result == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                chosen?.pointee = UnsafePointer(found)
                return SSL_TLSEXT_ERR_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Whether a path leads to something that is no regular file: OpenSSL, which opens by name,
    /// would wait for a named pipe's writer.
    private static func isNoFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
    }

    private func useCertificate(_ files: TLSFiles) throws(TLSError) {
        guard !Self.isNoFile(files.certificate) else {
            throw .unusableCertificate(path: files.certificate, reason: "it is no regular file")
        }
        guard SSL_CTX_use_certificate_chain_file(pointer, files.certificate) == 1 else {
            throw .unusableCertificate(path: files.certificate, reason: OpenSSLErrors.take())
        }
        let key = try TLSKey(path: files.key)
        // Compares the two: a key of the same kind that is another certificate's is refused.
        guard SSL_CTX_use_PrivateKey(pointer, key.pointer) == 1,
            SSL_CTX_check_private_key(pointer) == 1
        else {
            throw .mismatch(
                certificate: files.certificate, key: files.key, reason: OpenSSLErrors.take())
        }
    }

    private func verifyClients(by path: String, isRequired: Bool) throws(TLSError) {
        guard !Self.isNoFile(path) else {
            throw .unusableAuthorities(path: path, reason: "it is no regular file")
        }
        guard SSL_CTX_load_verify_file(pointer, path) == 1,
            let names = SSL_load_client_CA_file(path)
        else { throw .unusableAuthorities(path: path, reason: OpenSSLErrors.take()) }
        SSL_CTX_set_client_CA_list(pointer, names)
        let mode = SSL_VERIFY_PEER | (isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
        SSL_CTX_set_verify(pointer, mode, nil)
    }

    /// What is wrong with the certificate's dates now, if anything.
    var dateProblem: String? {
        guard let certificate = SSL_CTX_get0_certificate(pointer) else { return nil }
        if X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 {
            return "it has expired"
        }
        if X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0 {
            return "it is not valid yet"
        }
        return nil
    }

    /// The certificate's subject and the end of its term.
    var summary: String {
        guard let certificate = SSL_CTX_get0_certificate(pointer),
            let bio = BIO_new(BIO_s_mem())
        else { return "" }
        defer { BIO_free(bio) }
        openssl_print_name(bio, X509_get_subject_name(certificate))
        BIO_puts(bio, ", until ")
        ASN1_TIME_print(bio, X509_get0_notAfter(certificate))
        return withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { room in
            let count = BIO_read(bio, room.baseAddress, Int32(room.count))
            return String(decoding: room.prefix(max(0, Int(count))), as: UTF8.self)
        }
    }
}
