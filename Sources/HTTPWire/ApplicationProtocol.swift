/// A protocol that ALPN can choose, by its registered name (RFC 7301 section 6, RFC 9113 section
/// 3.1).
public enum ApplicationProtocol: String, Sendable, CaseIterable {
    case http1 = "http/1.1"
    case http2 = "h2"
}
