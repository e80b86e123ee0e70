/// What an address to listen on says, before anything listens there.
enum Address {
    /// Whether `text` is `HOST:PORT`, `[IPV6]:PORT` or `unix:/PATH`.
    static func isValid(_ text: String) -> Bool {
        if let path = unixPath(text) {
            // sun_path has 108 bytes, one of them for the NUL.
            return path.hasPrefix("/") && path.utf8.count < 108 && !path.utf8.contains(0)
        }
        guard let colon = text.lastIndex(of: ":") else { return false }
        let host = host(of: text[..<colon])
        guard let port = Quantity.count(String(text[text.index(after: colon)...])) else {
            return false
        }
        return !host.isEmpty && port <= 65535
    }

    /// Whether only this machine can reach the address.
    static func isLocal(_ text: String) -> Bool {
        if unixPath(text) != nil { return true }
        let host = host(of: text[..<(text.lastIndex(of: ":") ?? text.endIndex)])
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        // RFC 1122 section 3.2.1.3: all of 127.0.0.0/8.
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func unixPath(_ text: String) -> Substring? {
        text.hasPrefix("unix:") ? text.dropFirst("unix:".count) : nil
    }

    /// The host without the brackets of an IPv6 address; empty if they, or its colons, are wrong.
    private static func host(of text: Substring) -> Substring {
        guard text.hasPrefix("[") || text.hasSuffix("]") else {
            return text.contains(":") ? "" : text
        }
        guard text.hasPrefix("["), text.hasSuffix("]"), text.contains(":") else { return "" }
        return text.dropFirst().dropLast()
    }
}
