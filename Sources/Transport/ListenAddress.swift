/// Where the service listens.
public enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    /// A numeric IPv4 or IPv6 address (without brackets) or a name, of which the first address is
    /// taken. Port 0: the system chooses.
    case tcp(host: String, port: Int)
    /// The same, under TLS.
    case tls(host: String, port: Int)
    /// A Unix-domain socket file; it is created with mode 0600.
    case unix(path: String)

    /// Reads `127.0.0.1:8080`, `[::1]:0`, `localhost:8080`, each also after `http://` or
    /// `https://`, or `unix:/path`.
    public init(_ text: String) throws(ListenAddressError) {
        if text.hasPrefix("unix:") {
            self = .unix(path: try Self.checkedPath(String(text.dropFirst(5)), in: text))
            return
        }
        let (plain, encrypted) = ("http://", "https://")
        if text.hasPrefix(encrypted) {
            let (host, port) = try Self.endpoint(text.dropFirst(encrypted.count), in: text)
            self = .tls(host: host, port: port)
        } else {
            let start = text.hasPrefix(plain) ? plain.count : 0
            let (host, port) = try Self.endpoint(text.dropFirst(start), in: text)
            self = .tcp(host: host, port: port)
        }
    }

    private static func endpoint(
        _ part: Substring, in text: String
    ) throws(ListenAddressError) -> (host: String, port: Int) {
        guard let colon = part.lastIndex(of: ":") else { throw .missingPort(text) }
        var host = part[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(where: { ":[]".contains($0) }) {
            throw .bracketsNeeded(text)
        }
        guard !host.isEmpty, !host.utf8.contains(0) else { throw .missingHost(text) }
        let digits = part[part.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits)
        else { throw .invalidPort(text) }
        return (String(host), Int(port))
    }

    /// Whether what is sent there is encrypted.
    public var isEncrypted: Bool {
        if case .tls = self { true } else { false }
    }

    /// As it is printed for people: `http://127.0.0.1:8080`, `https://[::1]:8080`, `unix:/path`.
    public var description: String {
        switch self {
        case .tcp(let host, let port): "http://\(Self.bracketed(host)):\(port)"
        case .tls(let host, let port): "https://\(Self.bracketed(host)):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    private static func bracketed(_ host: String) -> String {
        host.contains(":") ? "[\(host)]" : host
    }

    /// Bytes that `sockaddr_un` has for a path, less its terminating zero.
    static let longestPath = 107

    private static func checkedPath(
        _ path: String, in text: String
    ) throws(ListenAddressError) -> String {
        guard !path.isEmpty, !path.utf8.contains(0) else { throw .missingPath(text) }
        guard path.utf8.count <= longestPath else { throw .pathTooLong(text) }
        return path
    }
}

/// Why a text is not a listen address; each carries the text.
public enum ListenAddressError: Error, Equatable, CustomStringConvertible {
    /// No `:port` at the end.
    case missingPort(String)
    /// Nothing before the port: every address has to be asked for by name (`0.0.0.0`, `[::]`).
    case missingHost(String)
    /// The port is not a number of 0 to 65,535.
    case invalidPort(String)
    /// An IPv6 address is not in brackets.
    case bracketsNeeded(String)
    /// Nothing after `unix:`.
    case missingPath(String)
    /// The path does not fit in a socket address.
    case pathTooLong(String)

    public var description: String {
        switch self {
        case .missingPort(let text): "'\(text)' has no port: write HOST:PORT or unix:/path"
        case .missingHost(let text):
            "'\(text)' has no host: write 127.0.0.1:PORT, or 0.0.0.0:PORT for every interface"
        case .invalidPort(let text): "the port of '\(text)' is not a number from 0 to 65535"
        case .bracketsNeeded(let text):
            "'\(text)' is ambiguous: an IPv6 address is written in brackets, [::1]:PORT"
        case .missingPath(let text): "'\(text)' has no path: write unix:/path"
        case .pathTooLong(let text):
            "the path of '\(text)' is longer than a socket address allows: "
                + "\(ListenAddress.longestPath) bytes"
        }
    }
}
