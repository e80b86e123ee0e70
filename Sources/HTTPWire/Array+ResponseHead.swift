extension Array<UInt8> {
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
        for index in response.fields.indices {
            appendField(response.fields[index].name, response.fields[index].value)
        }
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
        append(text: name)
        precondition(count > nameStart, "a field without a name")
        // All of them are written in the program, so a test would meet a wrong one.
        assert(self[nameStart...].allSatisfy { Byte.isToken($0) }, "\(name) is no token")
        append(": ")
        let valueStart = count
        append(text: value)
        let isContent = withUnsafeBytes { ByteScan.firstControl($0, from: valueStart) == $0.count }
        precondition(isContent, "a control character in field \(name)")
        append("\r\n")
    }

    private mutating func append(text: String) {
        text.utf8Span.span.withUnsafeBufferPointer { append(contentsOf: $0) }
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
