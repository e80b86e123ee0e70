/// An `Accept-Encoding` field: which content codings a client takes, and how gladly (RFC 9110
/// section 12.5.3).
///
/// What the client refuses altogether is sent plain: section 12.5.3 prefers that to 406, and an
/// answer that can be read helps more than none.
public struct AcceptEncoding: Sendable {
    private struct Entry {
        var name: String
        /// Thousandths.
        var quality: Int
    }

    private let entries: [Entry]

    /// Reads the field's value (several fields joined by commas).
    ///
    /// A field that is absent, empty or malformed names no coding, so nothing is coded.
    public init(_ field: String?) {
        entries = field.flatMap { Self.parse($0) } ?? []
    }

    /// The coding for content that gains from it; nil: plain. What is wanted as gladly as another
    /// goes by the service's order: gzip, deflate, plain.
    public var preferred: ContentCoding? {
        guard let (coding, quality) = best else { return nil }
        return quality >= identityQuality ?? 1 ? coding : nil
    }

    /// The coding for content that gains nothing: nil unless the client refuses it plain.
    public var required: ContentCoding? {
        identityQuality == 0 ? best?.coding : nil
    }

    /// Whether `field` can have a `required` coding at all: only a weight refuses.
    static func mayRefuseIdentity(_ field: String) -> Bool {
        field.utf8.contains(Byte.semicolon)
    }

    /// The coding for content that gains nothing, of a request with this field.
    public static func required(by field: String?) -> ContentCoding? {
        guard let field, mayRefuseIdentity(field) else { return nil }
        return AcceptEncoding(field).required
    }

    private var best: (coding: ContentCoding, quality: Int)? {
        var best: (coding: ContentCoding, quality: Int)?
        for coding in ContentCoding.allCases {
            let quality = quality { ContentCoding(name: $0) == coding } ?? 0
            if quality > best?.quality ?? 0 { best = (coding, quality) }
        }
        return best
    }

    /// Nil when the field says nothing of it: then it is acceptable, and less wanted than what the
    /// field names.
    private var identityQuality: Int? { quality { $0 == "identity" } }

    /// `*` stands for what is not named.
    private func quality(of isMeant: (String) -> Bool) -> Int? {
        (entries.first { isMeant($0.name) } ?? entries.first { $0.name == "*" })?.quality
    }

    private static func parse(_ field: String) -> [Entry]? {
        var scanner = FieldScanner(field)
        var entries: [Entry] = []
        while true {
            scanner.skipWhitespace()
            if scanner.take(Byte.comma) { continue }
            if scanner.isAtEnd { return entries }
            guard let name = scanner.token() else { return nil }
            var entry = Entry(name: name, quality: 1000)
            scanner.skipWhitespace()
            if scanner.take(Byte.semicolon) {
                scanner.skipWhitespace()
                guard scanner.token() == "q", scanner.take(Byte.equals),
                    let quality = scanner.token().flatMap(QualityValue.thousandths)
                else { return nil }
                entry.quality = quality
                scanner.skipWhitespace()
            }
            entries.append(entry)
            guard scanner.isAtEnd || scanner.take(Byte.comma) else { return nil }
        }
    }
}
