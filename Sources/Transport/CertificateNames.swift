import COpenSSL

/// Whom a certificate names.
enum CertificateNames {
    /// The names in the certificate that the peer of a finished handshake proved to own: the DNS
    /// names of the subject's alternative names, or without any the common name (RFC 6125 section
    /// 6.4.4). Empty when it showed none, or it was not verified.
    static func verified(of ssl: OpaquePointer) -> [String] {
        guard let certificate = SSL_get0_peer_certificate(ssl),
            SSL_get_verify_result(ssl) == Int(X509_V_OK)
        else { return [] }
        let names = alternativeNames(of: certificate)
        return names.isEmpty ? commonName(of: certificate) : names
    }

    private static func alternativeNames(of certificate: OpaquePointer) -> [String] {
        guard let names = openssl_alternative_names(certificate) else { return [] }
        defer { GENERAL_NAMES_free(names) }
        return (0..<openssl_name_count(names)).compactMap { index in
            openssl_dns_name(names, index).flatMap(text)
        }
    }

    /// The subject's last common name, which is the most specific (RFC 6125 section 2.3.1).
    private static func commonName(of certificate: OpaquePointer) -> [String] {
        guard let subject = X509_get_subject_name(certificate) else { return [] }
        var last: Int32 = -1
        while true {
            let next = X509_NAME_get_index_by_NID(subject, NID_commonName, last)
            guard next >= 0 else { break }
            last = next
        }
        guard let entry = X509_NAME_get_entry(subject, last),
            let name = X509_NAME_ENTRY_get_data(entry).flatMap({ text(UnsafePointer($0)) })
        else { return [] }
        return [name]
    }

    /// A name as UTF-8; nil for one with a NUL, which others may read up to there only.
    private static func text(_ name: UnsafePointer<ASN1_STRING>) -> String? {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&bytes, name)
        guard count > 0, let bytes else { return nil }
        defer { CRYPTO_free(bytes, #file, #line) }
        let text = UnsafeBufferPointer(start: bytes, count: Int(count))
        return text.contains(0) ? nil : String(validating: text, as: UTF8.self)
    }
}
