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

extension [UInt8] {
    /// Appends a response's head, its empty line included.
    ///
    /// A name that is no token, or a value with a control character, is our own bug: a client's
    /// text must not get into a head unchecked.
    mutating func appendHead(
        of response: Response, framing: ResponseFraming, connection: ConnectionOption, date: [UInt8]
    ) {
        append("HTTP/1.1 ")
        appendDecimal(response.status, digits: 3)
        append(Byte.space)
        append(StatusReason.phrase(response.status))
        append("\r\nDate: ")
        append(contentsOf: date)
        append("\r\n")
        for field in response.fields { appendField(field.name, field.value) }
        switch framing {
        case .length(let length):
            append("Content-Length: ")
            appendDecimal(length)
            append("\r\n")
        case .chunked:
            append("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose:
            break
        }
        switch connection {
        case .close: append("Connection: close\r\n")
        case .keepAlive: append("Connection: keep-alive\r\n")
        case .none: break
        }
        append("\r\n")
    }

    private mutating func appendField(_ name: String, _ value: String) {
        let nameStart = count
        append(contentsOf: name.utf8)
        precondition(count > nameStart, "a field without a name")
        for index in nameStart..<count {
            precondition(Byte.isToken(self[index]), "a field name that is no token: \(name)")
        }
        append(": ")
        let valueStart = count
        append(contentsOf: value.utf8)
        for index in valueStart..<count {
            precondition(Byte.isFieldContent(self[index]), "a control character in field \(name)")
        }
        append("\r\n")
    }

    mutating func append(_ text: StaticString) {
        append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a number ≥ 0 with at least `digits` digits.
    mutating func appendDecimal(_ number: Int, digits: Int = 1) {
        var unit = 1
        var width = 1
        while width < digits || number / unit >= 10 {
            unit *= 10
            width += 1
        }
        while unit > 0 {
            append(Byte.zero + UInt8(number / unit % 10))
            unit /= 10
        }
    }
}

enum StatusReason {
    /// The phrase that RFC 9110 section 15 gives a status; empty for others, as RFC 9112
    /// section 4 allows.
    static func phrase(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        default: ""
        }
    }
}
