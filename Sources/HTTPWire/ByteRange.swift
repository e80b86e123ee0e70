/// What a `Range` field asks of a representation (RFC 9110 section 14).
public enum ByteRange: Sendable, Equatable {
    /// All of it: no `Range`, one that is malformed, of another unit, or of several ranges, which
    /// a server may ignore (section 14.2).
    case whole
    /// This part of it, never empty: 206.
    case satisfiable(Range<Int>)
    /// Nothing that there is: 416.
    case unsatisfiable

    /// Resolves a `Range` field's value against a representation of `length` bytes.
    ///
    /// A suffix of a representation without bytes is `whole`: section 14.1.2 calls it satisfiable,
    /// and `Content-Range` has no way to say it.
    public init(_ field: String?, length: Int) {
        self = field.flatMap { Self.parse($0, length: length) } ?? .whole
    }

    private static func parse(_ field: String, length: Int) -> ByteRange? {
        var scanner = FieldScanner(field)
        // Unit names ignore case (section 14.1).
        guard scanner.token() == "bytes", scanner.take(Byte.equals) else { return nil }
        scanner.skipWhitespace()
        // Digits and hyphen are all token characters, so one range is one token.
        guard let range = scanner.token() else { return nil }
        scanner.skipWhitespace()
        guard scanner.isAtEnd, let hyphen = range.firstIndex(of: "-") else { return nil }
        let first = range[..<hyphen]
        let last = range[range.index(after: hyphen)...]

        if first.isEmpty {
            guard let suffix = number(last) else { return nil }
            guard suffix > 0 else { return .unsatisfiable }
            return length == 0 ? .whole : .satisfiable(max(0, length - suffix)..<length)
        }
        guard let start = number(first) else { return nil }
        guard !last.isEmpty else {
            return start < length ? .satisfiable(start..<length) : .unsatisfiable
        }
        guard let end = number(last), end >= start else { return nil }
        guard start < length else { return .unsatisfiable }
        return .satisfiable(start..<(min(end, length - 1) + 1))
    }

    /// Digits as a number; what does not fit is as large as can be, which is beyond every length.
    private static func number(_ digits: Substring) -> Int? {
        guard !digits.isEmpty, digits.utf8.allSatisfy(Byte.isDigit) else { return nil }
        return Int(digits) ?? .max
    }
}
