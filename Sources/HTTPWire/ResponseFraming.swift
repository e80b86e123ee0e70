/// How the end of a response's body is told (RFC 9112 section 6.3).
enum ResponseFraming {
    /// The status has no body and no length, or the length is not known and nothing is sent.
    case none
    case length(Int)
    case chunked
    /// HTTP/1.0: the end of the connection.
    case untilClose
}

extension Response {
    /// The length of its content; nil where it is not told.
    ///
    /// RFC 9110 section 8.6: to HEAD and in 304 it is the one that GET would have, where it is
    /// known; a 304 without a body says nothing of it.
    var contentLength: Int? {
        if status == 204 { return nil }
        switch body {
        case .empty: return status == 304 ? nil : 0
        case .bytes(let bytes): return bytes.count
        case .slice(let slice): return slice.count
        case .stream(let length, _): return length
        }
    }

    /// Whether there is anything to send after the head to a request that is not HEAD.
    var hasContent: Bool {
        guard status != 204, status != 304 else { return false }
        switch body {
        case .empty: return false
        case .bytes(let bytes): return !bytes.isEmpty
        case .slice(let slice): return slice.count > 0
        case .stream: return true
        }
    }
}

/// What a response's `Connection` field says.
enum ConnectionOption {
    case none
    case close
    case keepAlive
}
