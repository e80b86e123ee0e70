/// How the end of a response's body is told (RFC 9112 section 6.3).
enum ResponseFraming {
    /// The status has no body and no length, or the length is not known and nothing is sent.
    case none
    case length(Int)
    case chunked
    /// HTTP/1.0: the end of the connection.
    case untilClose
}

/// What a response's `Connection` field says.
enum ConnectionOption {
    case none
    case close
    case keepAlive
}
