import ServiceLimits

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
    /// The answer's content, by the names of the API's table of errors. It names the limit that
    /// does not let the request through.
    func problem(_ limits: Limits) -> Problem {
        let detail = detail(limits)
        return switch self {
        case .requestLineTooLong:
            Problem(name: "uri-too-long", status: 414, title: "URI too long", detail: detail)
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

    private func detail(_ limits: Limits) -> String {
        switch self {
        case .requestLineTooLong:
            "The request line may have \(limits.requestLineBytes) bytes at most (the setting "
                + "request-line-bytes). Shorten the target."
        case .fieldTooLong:
            "A header field may have \(limits.fieldBytes) bytes at most (the setting field-bytes). "
                + "Shorten it."
        case .tooManyFields:
            "A request may have \(limits.fields) header fields at most (the setting fields). "
                + "Send fewer."
        case .headTooLarge:
            "The header fields may have \(limits.headerBytes) bytes together at most (the setting "
                + "header-bytes). Send fewer, or shorter ones."
        case .trailersTooLarge:
            "The trailer section may have \(limits.trailerBytes) bytes at most (the setting "
                + "trailer-bytes). Leave it out: nothing in it is used."
        case .chunkExtensionTooLong:
            "A chunk's extension may have \(limits.chunkExtensionBytes) bytes at most (the setting "
                + "chunk-extension-bytes). Leave it out: nothing in it is used."
        case .headTimedOut:
            "The head did not arrive within \(limits.headTimeout) (the setting head-timeout)."
        case .bodyTimedOut:
            "After its first \(limits.bodyGrace) (the setting body-grace) a body must keep up "
                + "\(limits.bodyRate) bytes a second (body-rate). Send it faster, or all again."
        default: fault
        }
    }

    private var fault: String {
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
        case .malformedChunk: "The chunked body is not framed as RFC 9112 section 7.1 says."
        case .plainTextUnderTLS: "This port speaks HTTPS. Begin the URL with https://."
        case .unknownExpectation, .unsupportedTransferCoding, .unsupportedVersion, .shuttingDown,
            .requestLineTooLong, .fieldTooLong, .tooManyFields, .headTooLarge, .trailersTooLarge,
            .chunkExtensionTooLong, .headTimedOut, .bodyTimedOut:
            ""
        }
    }
}
