/// Why the wire itself refuses a request: what a peer can do wrong, and the service's end. Each is
/// answered; over HTTP/1.1 that ends the connection.
enum WireError: Error, Equatable {
    case malformedRequestLine
    case invalidTarget
    case unsupportedVersion
    case controlCharacter
    case bareCarriageReturn
    case bareLineFeed
    case foldedField
    case malformedField
    case missingHost
    case repeatedHost
    case invalidHost
    case repeatedContentLength
    case invalidContentLength
    case lengthAndCoding
    case malformedTransferCoding
    case unsupportedTransferCoding
    case codingInOldVersion
    case unknownExpectation
    case requestLineTooLong
    case fieldTooLong
    case tooManyFields
    case headTooLarge
    case malformedChunk
    case chunkExtensionTooLong
    case trailersTooLarge
    case headTimedOut
    case bodyTimedOut
    case plainTextUnderTLS
    case shuttingDown
}

extension WireError {
    /// The answer's content, by the names of the API's table of errors.
    var problem: Problem {
        switch self {
        case .requestLineTooLong:
            Problem(
                name: "uri-too-long", status: 414, title: "URI too long",
                detail: "The request line is longer than the service reads. Shorten the target.")
        case .fieldTooLong, .tooManyFields, .headTooLarge, .trailersTooLarge:
            Problem(
                name: "headers-too-large", status: 431, title: "Header fields too large",
                detail: detail)
        case .unknownExpectation:
            Problem(
                name: "expectation-failed", status: 417, title: "Expectation failed",
                detail: "100-continue is the only expectation that can be met.")
        case .headTimedOut, .bodyTimedOut:
            Problem(
                name: "request-timeout", status: 408, title: "Request timeout", detail: detail)
        case .unsupportedTransferCoding:
            Problem(
                name: "not-implemented", status: 501, title: "Not implemented",
                detail: "The only transfer coding is chunked. Send the body chunked or with its "
                    + "Content-Length.")
        case .shuttingDown:
            Problem(
                name: "shutting-down", status: 503, title: "The service is stopping",
                detail: "The body was not complete when the service stopped, and nothing of it is "
                    + "kept. Send the request again in a moment: the service may be restarting.",
                fields: [("Retry-After", "5")])
        case .unsupportedVersion:
            Problem(
                name: "version-not-supported", status: 505, title: "HTTP version not supported",
                detail: "Speak HTTP/1.1 or HTTP/1.0 here, or HTTP/2 from the first byte on.")
        default:
            Problem(
                name: "malformed-request", status: 400, title: "Malformed request",
                detail: detail)
        }
    }

    private var detail: String {
        switch self {
        case .malformedRequestLine: "The request line is not METHOD SP TARGET SP VERSION."
        case .invalidTarget: "The request target is not valid, or not one for this method."
        case .controlCharacter: "The head holds a control character."
        case .bareCarriageReturn: "A carriage return is not followed by a line feed."
        case .bareLineFeed: "A line ends in a line feed without a carriage return."
        case .foldedField: "A line of the head begins with white space."
        case .malformedField: "A header field is not NAME, colon, VALUE, without a space between."
        case .missingHost: "The request has no Host field."
        case .repeatedHost: "The request has more than one Host field."
        case .invalidHost: "The Host field or the target's authority is not a host."
        case .repeatedContentLength: "The request has more than one Content-Length."
        case .invalidContentLength: "The Content-Length is not a number that can be counted to."
        case .lengthAndCoding: "The request has both Content-Length and Transfer-Encoding."
        case .malformedTransferCoding: "The Transfer-Encoding does not end in one chunked."
        case .codingInOldVersion: "HTTP/1.0 has no Transfer-Encoding."
        case .fieldTooLong: "A header field is longer than the service reads."
        case .tooManyFields: "The request has more header fields than the service reads."
        case .headTooLarge: "The header fields together are larger than the service reads."
        case .trailersTooLarge: "The trailer section is larger than the service reads."
        case .malformedChunk: "The chunked body is not framed as RFC 9112 section 7.1 says."
        case .chunkExtensionTooLong: "A chunk's extension is longer than the service reads."
        case .headTimedOut: "The head did not arrive in time."
        case .bodyTimedOut: "The body came too slowly."
        case .plainTextUnderTLS: "This port speaks HTTPS. Begin the URL with https://."
        case .requestLineTooLong, .unknownExpectation, .unsupportedTransferCoding,
            .unsupportedVersion, .shuttingDown:
            ""
        }
    }
}
