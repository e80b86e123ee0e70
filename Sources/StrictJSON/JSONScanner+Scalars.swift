extension JSONScanner {
    /// Reads a number by the grammar of RFC 8259 section 6.
    public mutating func readNumber() throws(JSONError) -> JSONNumber {
        try require(.number)
        let start = offset
        if allowsNonFiniteNumbers, take("NaN") || take("Infinity") || take("-Infinity") {
            return JSONNumber(literal: text(from: start))
        }
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "0") {
            offset += 1
            if offset < bytes.count, isDigit(bytes[offset]) {
                throw JSONError(offset: start, reason: "a number has a leading zero")
            }
        } else {
            try takeDigits()
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            try takeDigits()
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < bytes.count,
                bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-")
            {
                offset += 1
            }
            try takeDigits()
        }
        return JSONNumber(literal: text(from: start))
    }

    /// Reads a string (RFC 8259 section 7): well-formed UTF-8, no lone surrogates, no raw control
    /// characters.
    public mutating func readString() throws(JSONError) -> String {
        try require(.string)
        offset += 1
        let start = offset
        try takePlainRun()
        if bytes[offset] == UInt8(ascii: "\"") {
            offset += 1
            return String(
                decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<offset - 1]),
                as: UTF8.self)
        }
        var decoded = [UInt8](bytes[start..<offset])
        while bytes[offset] != UInt8(ascii: "\"") {
            try takeEscape(appendingTo: &decoded)
            let runStart = offset
            try takePlainRun()
            decoded.append(contentsOf: bytes[runStart..<offset])
        }
        offset += 1
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Moves to the next quote or backslash and checks what lies before it.
    private mutating func takePlainRun() throws(JSONError) {
        let start = offset
        var seen: UInt8 = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                if seen >= 0x80 { try checkUTF8(start..<offset) }
                return
            }
            guard byte >= 0x20 else {
                throw failure("a control character in a string must be escaped")
            }
            seen |= byte
            offset += 1
        }
        throw failure("a string has no end")
    }

    /// RFC 8259 section 8.1. A sequence cannot reach across an escape, so runs are checked alone.
    private func checkUTF8(_ range: Range<Int>) throws(JSONError) {
        let run = UnsafeRawBufferPointer(rebasing: bytes[range])
        do throws(Unicode.UTF8.ValidationError) {
            _ = try run.withMemoryRebound(to: UInt8.self) {
                buffer throws(Unicode.UTF8.ValidationError) in
                _ = try UTF8Span(validating: buffer.span)
            }
        } catch {
            throw JSONError(
                offset: range.lowerBound + error.byteOffsets.lowerBound,
                reason: "a string is not well-formed UTF-8")
        }
    }

    private mutating func takeEscape(appendingTo decoded: inout [UInt8]) throws(JSONError) {
        let start = offset
        offset += 1
        let letter = try byte(orExpected: "an escape")
        offset += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(letter)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try takeScalar(escapeStart: start)
            decoded.append(contentsOf: UTF8.encode(scalar).unsafelyUnwrapped)
        default:
            throw JSONError(offset: start, reason: "a string has an unknown escape")
        }
    }

    /// The scalar of `\uXXXX`, or of a pair of them; the first `\u` is taken already.
    private mutating func takeScalar(escapeStart: Int) throws(JSONError) -> Unicode.Scalar {
        let lone = JSONError(offset: escapeStart, reason: "a string has a lone surrogate")
        let first = try takeHexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take("\\u") else { throw lone }
        let second = try takeHexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw lone }
        return scalar
    }

    private mutating func takeHexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = try byte(orExpected: "four hexadecimal digits")
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
                value = value << 4 | UInt32(byte | 0x20 - UInt8(ascii: "a") + 10)
            default:
                throw unexpected(expected: "four hexadecimal digits")
            }
            offset += 1
        }
        return value
    }

    private mutating func takeDigits() throws(JSONError) {
        let start = offset
        while offset < bytes.count, isDigit(bytes[offset]) { offset += 1 }
        guard offset > start else { throw unexpected(expected: "a digit") }
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10
    }

    private func text(from start: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<offset]), as: UTF8.self)
    }
}
