public import HTTPWire
import Synchronization

/// The files that TLS is set up from, all in PEM.
public struct TLSFiles: Sendable {
    /// The service's certificate, and after it the ones that lead to its authority.
    public var certificate: String
    /// The certificate's private key, without a password, closed to other users.
    public var key: String
    /// The authorities whose clients are believed; nil: no client is asked for a certificate.
    public var clientAuthorities: String?
    /// Whether a client without a certificate is refused.
    public var requiresClientCertificate: Bool

    public init(
        certificate: String, key: String, clientAuthorities: String? = nil,
        requiresClientCertificate: Bool = false
    ) {
        self.certificate = certificate
        self.key = key
        self.clientAuthorities = clientAuthorities
        self.requiresClientCertificate = requiresClientCertificate
    }
}

/// What a server shows on its `https://` listeners, and asks of clients there. From any thread.
public final class TLSIdentity: Sendable {
    private let files: TLSFiles
    private let protocols: [ApplicationProtocol]
    private let current: Mutex<TLSContext>

    /// Reads the files.
    ///
    /// - Parameter protocols: what ALPN may choose, the most wanted first.
    public init(_ files: TLSFiles, protocols: [ApplicationProtocol]) throws(TLSError) {
        self.files = files
        self.protocols = protocols
        current = Mutex(try TLSContext(files, protocols: protocols))
    }

    /// Reads the files again, for connections that come from now on; those that are there keep
    /// what they have. When it throws, nothing has changed.
    public func reload() throws(TLSError) {
        let fresh = try TLSContext(files, protocols: protocols)
        current.withLock { $0 = fresh }
    }

    /// Why clients will refuse the certificate because of the date; nil when it is in force.
    public var dateProblem: String? { context.dateProblem }

    /// The certificate as a log names it: its subject and the end of its term.
    public var summary: String { context.summary }

    var context: TLSContext { current.withLock { $0 } }
}
