/// Reads a field's value by the grammar that RFC 9110 section 5.6 gives to all fields.
struct FieldScanner {
    private let bytes: [UInt8]
    private var position = 0

    init(_ value: String) {
        bytes = Array(value.utf8)
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skipWhitespace() {
        while position < bytes.count, bytes[position] == Byte.space || bytes[position] == Byte.tab {
            position += 1
        }
    }

    /// Takes `byte` if it comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    /// A token in lower case, since all that is compared here ignores case; nil without one.
    mutating func token() -> String? {
        let start = position
        while position < bytes.count, Byte.isToken(bytes[position]) { position += 1 }
        guard position > start else { return nil }
        return String(decoding: bytes[start..<position].lazy.map(Byte.lowercased), as: UTF8.self)
    }

    /// A quoted string's content with its escapes resolved (RFC 9110 section 5.6.4).
    mutating func quotedString() -> String? {
        guard take(Byte.quote) else { return nil }
        var content: [UInt8] = []
        while position < bytes.count {
            var byte = bytes[position]
            position += 1
            if byte == Byte.quote { return String(decoding: content, as: UTF8.self) }
            if byte == Byte.backslash {
                guard position < bytes.count else { return nil }
                byte = bytes[position]
                position += 1
            }
            guard Byte.isFieldContent(byte) else { return nil }
            content.append(byte)
        }
        return nil
    }

    /// The bytes up to the next quote, which is taken too; an entity tag has no escapes
    /// (RFC 9110 section 8.8.3).
    mutating func entityTagContent() -> String? {
        guard take(Byte.quote) else { return nil }
        let start = position
        while position < bytes.count, bytes[position] > Byte.space, bytes[position] != 0x7F {
            if bytes[position] == Byte.quote {
                defer { position += 1 }
                return String(decoding: bytes[start..<position], as: UTF8.self)
            }
            position += 1
        }
        return nil
    }
}
