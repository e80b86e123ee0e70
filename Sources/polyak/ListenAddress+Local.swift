import Transport

extension ListenAddress {
    /// Whether only this machine can reach the address.
    var isLocal: Bool {
        switch self {
        case .unix: return true
        case .tcp("localhost", _), .tcp("::1", _), .tls("localhost", _), .tls("::1", _):
            return true
        case .tcp(let host, _), .tls(let host, _):
            let parts = host.split(separator: ".", omittingEmptySubsequences: false)
            // RFC 1122 section 3.2.1.3: all of 127.0.0.0/8 is this machine.
            return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
        }
    }
}
