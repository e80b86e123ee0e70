/// A `Prefer` field (RFC 7240).
public enum PreferHeader {
    /// The seconds of the preference `wait` (section 4.3).
    ///
    /// - Returns: nil without it, and when the field is malformed or the value is no number: a
    ///   preference that is not understood is ignored (section 2). Of several the first counts.
    public static func wait(_ field: String?) -> Int? {
        guard let field else { return nil }
        var scanner = FieldScanner(field)
        var wait: String?
        while true {
            scanner.skipWhitespace()
            if scanner.take(Byte.comma) { continue }
            if scanner.isAtEnd { break }
            guard let preference = Self.preference(&scanner) else { return nil }
            if preference.name == "wait", wait == nil { wait = preference.value }
            guard scanner.isAtEnd || scanner.take(Byte.comma) else { return nil }
        }
        guard let wait, !wait.isEmpty, wait.utf8.allSatisfy(Byte.isDigit) else { return nil }
        return Int(wait) ?? .max
    }

    /// One preference; its parameters are skipped.
    private static func preference(
        _ scanner: inout FieldScanner
    ) -> (name: String, value: String)? {
        guard let first = nameAndValue(&scanner) else { return nil }
        while scanner.take(Byte.semicolon) {
            scanner.skipWhitespace()
            _ = nameAndValue(&scanner)
        }
        return first
    }

    private static func nameAndValue(
        _ scanner: inout FieldScanner
    ) -> (name: String, value: String)? {
        guard let name = scanner.token() else { return nil }
        scanner.skipWhitespace()
        guard scanner.take(Byte.equals) else { return (name, "") }
        scanner.skipWhitespace()
        guard let value = scanner.token() ?? scanner.quotedString() else { return nil }
        scanner.skipWhitespace()
        return (name, value)
    }
}
