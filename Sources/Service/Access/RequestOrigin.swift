import HTTPWire

/// Where the web page lies that a browser sends a request for (RFC 6454 section 7).
///
/// A page of another place must not make the browser of somebody who works here reach a service
/// that only they can reach, as one on a loopback address.
enum RequestOrigin {
    /// Whether the request comes from a page that this service did not serve.
    static func isForeign(_ fields: HeaderFields) -> Bool {
        guard fields.contains("origin") else { return false }
        let origins = fields.all("origin")
        guard let host = fields.first("host") else { return true }
        return !origins.allSatisfy { isSame(origin: $0.lowercased(), host: host.lowercased()) }
    }

    /// Compares the authorities, both in lower case. Which of the two schemes a client speaks, a
    /// service behind a proxy does not know, so either will do; its port may be left out.
    private static func isSame(origin: String, host: String) -> Bool {
        for (scheme, port) in [("http://", ":80"), ("https://", ":443")]
        where origin.hasPrefix(scheme) {
            return without(port, origin.dropFirst(scheme.count)) == without(port, host[...])
        }
        return false
    }

    private static func without(_ port: String, _ authority: Substring) -> Substring {
        authority.hasSuffix(port) ? authority.dropLast(port.count) : authority
    }
}
