/// A request's head, whatever version it came in.
///
/// An object, because it is handed on at every step: as a value each copy would count references to
/// all of its parts.
public final class RequestHead: Sendable {
    /// The method, case-sensitive as RFC 9110 section 9.1 says.
    public let method: String
    /// The request target's path as sent, percent-encoded, beginning with `/`.
    public let path: String
    /// What follows the first `?`, percent-encoded; nil without one.
    public let query: String?
    /// All header fields, those included that the wire itself has acted on.
    public let fields: HeaderFields
    /// The announced length of the body's content.
    public let body: BodyLength
    /// The client waits for `100 Continue` before it sends the body.
    public let expectsContinue: Bool
    /// Where the request came from.
    public let peer: Peer

    public init(
        method: String, path: String, query: String?, fields: HeaderFields, body: BodyLength,
        expectsContinue: Bool, peer: Peer
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.fields = fields
        self.body = body
        self.expectsContinue = expectsContinue
        self.peer = peer
    }
}

/// How the head announces the body (RFC 9112 section 6).
public enum BodyLength: Sendable, Equatable {
    /// No body is announced (neither length nor chunked).
    case none
    /// `Content-Length`, or the length an HTTP/2 client declared.
    case known(Int)
    /// Chunked, or HTTP/2 without a length.
    case unknown
}

/// The other end of a connection.
public struct Peer: Sendable, Equatable {
    /// How far away it is.
    public enum Place: Sendable, Equatable {
        case loopback
        case unixSocket
        case remote
    }

    /// How far away it is.
    public var place: Place
    /// Whether what is sent is encrypted (TLS).
    public var isEncrypted: Bool
    /// The names in the certificate that the client proved to own and that was verified: DNS
    /// names of the subject's alternative names, else the common name. Empty without one.
    public var certificateNames: [String]
    /// What was agreed to be spoken (ALPN); nil when nothing was said about it.
    public var applicationProtocol: ApplicationProtocol?

    public init(
        place: Place, isEncrypted: Bool = false, certificateNames: [String] = [],
        applicationProtocol: ApplicationProtocol? = nil
    ) {
        self.place = place
        self.isEncrypted = isEncrypted
        self.certificateNames = certificateNames
        self.applicationProtocol = applicationProtocol
    }

    /// A plain connection from this host.
    public static let loopback = Peer(place: .loopback)
    /// A plain connection over a Unix socket.
    public static let unixSocket = Peer(place: .unixSocket)
    /// A plain connection from another host.
    public static let remote = Peer(place: .remote)
}
