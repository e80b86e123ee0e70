/// Where the parts of a request line lie (RFC 9112 section 3).
struct RequestLine {
    var method: Range<Int>
    /// Nil when the target names none: `impliedPath` is meant.
    var path: Range<Int>?
    var impliedPath: StaticString = "/"
    var query: Range<Int>?
    /// HTTP/1.0 instead of 1.1.
    var isOldVersion = false

    init(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(WireError) {
        var methodEnd = line.lowerBound
        while methodEnd < line.upperBound, Byte.isToken(bytes[methodEnd]) { methodEnd += 1 }
        guard methodEnd > line.lowerBound, methodEnd < line.upperBound,
            bytes[methodEnd] == Byte.space
        else { throw .malformedRequestLine }
        method = line.lowerBound..<methodEnd

        var targetEnd = methodEnd + 1
        while targetEnd < line.upperBound, bytes[targetEnd] != Byte.space { targetEnd += 1 }
        guard targetEnd < line.upperBound else { throw .malformedRequestLine }
        isOldVersion = try Self.isOldVersion(bytes, targetEnd + 1..<line.upperBound)
        try parseTarget(bytes, methodEnd + 1..<targetEnd)
    }

    private static func isOldVersion(
        _ bytes: UnsafeRawBufferPointer, _ version: Range<Int>
    ) throws(WireError) -> Bool {
        let start = version.lowerBound
        // HTTP-version is case-sensitive (RFC 9112 section 2.3).
        guard version.count == 8, bytes[start] == 0x48, bytes[start + 1] == 0x54,
            bytes[start + 2] == 0x54, bytes[start + 3] == 0x50, bytes[start + 4] == Byte.slash,
            Byte.isDigit(bytes[start + 5]), bytes[start + 6] == Byte.dot,
            Byte.isDigit(bytes[start + 7])
        else { throw .malformedRequestLine }
        let minor = bytes[start + 7] - Byte.zero
        guard bytes[start + 5] == Byte.zero + 1, minor <= 1 else { throw .unsupportedVersion }
        return minor == 0
    }

    /// The four forms of RFC 9112 section 3.2; authority-form is for proxies only.
    private mutating func parseTarget(
        _ bytes: UnsafeRawBufferPointer, _ target: Range<Int>
    ) throws(WireError) {
        guard !target.isEmpty else { throw .malformedRequestLine }
        for index in target where !Byte.isTarget(bytes[index]) { throw .invalidTarget }
        if bytes[target.lowerBound] == Byte.slash {
            splitPath(bytes, target)
            return
        }
        let isOptions = bytes[method].elementsEqual("OPTIONS".utf8)
        if target.count == 1, bytes[target.lowerBound] == Byte.asterisk, isOptions {
            impliedPath = "*"
            return
        }
        guard let scheme = Self.schemeLength(bytes, target) else { throw .invalidTarget }
        let authority = target.lowerBound + scheme
        var end = authority
        while end < target.upperBound, bytes[end] != Byte.slash, bytes[end] != Byte.questionMark {
            end += 1
        }
        guard Host.isValid(bytes, authority..<end) else { throw .invalidHost }
        // RFC 9112 section 3.2.4: OPTIONS for a whole server, in absolute-form.
        if isOptions, end == target.upperBound { impliedPath = "*" }
        splitPath(bytes, end..<target.upperBound)
    }

    private static func schemeLength(
        _ bytes: UnsafeRawBufferPointer, _ target: Range<Int>
    ) -> Int? {
        let start = target.lowerBound
        if target.count > 7, bytes.equals(start..<start + 7, "http://") { return 7 }
        if target.count > 8, bytes.equals(start..<start + 8, "https://") { return 8 }
        return nil
    }

    private mutating func splitPath(_ bytes: UnsafeRawBufferPointer, _ rest: Range<Int>) {
        var end = rest.lowerBound
        while end < rest.upperBound, bytes[end] != Byte.questionMark { end += 1 }
        path = end > rest.lowerBound ? rest.lowerBound..<end : nil
        query = end < rest.upperBound ? end + 1..<rest.upperBound : nil
    }
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2).
enum Host {
    /// An empty host is refused: no `http` URI has one (RFC 9110 section 4.2.1).
    static func isValid(_ bytes: UnsafeRawBufferPointer, _ value: Range<Int>) -> Bool {
        var index = value.lowerBound
        if index < value.upperBound, bytes[index] == Byte.openBracket {
            index += 1
            let start = index
            while index < value.upperBound, isAddress(bytes[index]) { index += 1 }
            guard index > start, index < value.upperBound, bytes[index] == Byte.closeBracket else {
                return false
            }
            index += 1
        } else {
            while index < value.upperBound, Byte.isHostName(bytes[index]) { index += 1 }
            guard index > value.lowerBound else { return false }
        }
        return index == value.upperBound || isPort(bytes, index..<value.upperBound)
    }

    /// What an IPv6 address in brackets is written with.
    private static func isAddress(_ byte: UInt8) -> Bool {
        Byte.hexadecimalValue(byte) != nil || byte == Byte.colon || byte == Byte.dot
    }

    private static func isPort(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard bytes[range.lowerBound] == Byte.colon, range.count <= 6 else { return false }
        var port = 0
        for index in range.dropFirst() {
            guard Byte.isDigit(bytes[index]) else { return false }
            port = port * 10 + Int(bytes[index] - Byte.zero)
        }
        return port <= 65_535
    }
}
