public import SecretFiles

/// Why the files of a TLS listener cannot be used.
public enum TLSError: Error, Equatable, CustomStringConvertible {
    /// The file of certificates cannot be read, or holds none that may be used.
    case unusableCertificate(path: String, reason: String)
    /// The file of the key is none, cannot be read, or is open to other users.
    case unreadableKey(SecretFileError)
    /// The file of the key holds none, or one with a password.
    case unusableKey(path: String, reason: String)
    /// The key is not the first certificate's.
    case mismatch(certificate: String, key: String, reason: String)
    /// The file of client authorities cannot be read, or holds no certificate.
    case unusableAuthorities(path: String, reason: String)
    /// OpenSSL does not have what is needed; its configuration may forbid it.
    case refused(reason: String)

    public var description: String {
        switch self {
        case .unusableCertificate(let path, let reason):
            "tls-certificate \(path): no certificate can be read from it: \(reason)"
        case .unreadableKey(let error): "tls-key \(error)"
        case .unusableKey(let path, let reason):
            "tls-key \(path): no private key without a password can be read from it: \(reason)"
        case .mismatch(let certificate, let key, let reason):
            "tls-key \(key) does not belong to the first certificate of tls-certificate "
                + "\(certificate): \(reason)"
        case .unusableAuthorities(let path, let reason):
            "tls-client-ca \(path): no certificate can be read from it: \(reason)"
        case .refused(let reason): "OpenSSL refuses to set up TLS: \(reason)"
        }
    }
}
