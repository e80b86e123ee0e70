/// An entity tag (RFC 9110 section 8.8.3).
public struct EntityTag: Sendable, Equatable {
    /// What stands between the quotes.
    public let opaque: String
    /// Whether it stands for equal meaning rather than equal bytes (section 8.8.1).
    let isWeak: Bool
    /// As it stands in a field: `"opaque"` or `W/"opaque"`.
    public let fieldValue: String

    /// `opaque` must be visible ASCII without a quote.
    public init(_ opaque: String, isWeak: Bool = false) {
        self.opaque = opaque
        self.isWeak = isWeak
        var field = isWeak ? "W/\"" : "\""
        field.reserveCapacity(opaque.utf8.count + 4)
        field += opaque
        field += "\""
        fieldValue = field
    }

    /// Both strong and equal (section 8.8.3.2).
    public func stronglyMatches(_ other: EntityTag) -> Bool {
        !isWeak && !other.isWeak && opaque == other.opaque
    }

    /// Equal, strong or not (section 8.8.3.2).
    public func weaklyMatches(_ other: EntityTag) -> Bool {
        opaque == other.opaque
    }
}

/// The value of `If-Match` or `If-None-Match`.
enum EntityTagList {
    /// `*`: whatever there is.
    case any
    case tags([EntityTag])

    /// Nil when malformed.
    init?(_ field: String) {
        var scanner = FieldScanner(field)
        if scanner.take(Byte.asterisk) {
            guard scanner.isAtEnd else { return nil }
            self = .any
            return
        }
        var tags: [EntityTag] = []
        // Empty elements of a list are to be accepted (RFC 9110 section 5.6.1.2).
        while true {
            scanner.skipWhitespace()
            if scanner.take(Byte.comma) { continue }
            if scanner.isAtEnd { break }
            guard let tag = scanner.entityTag() else { return nil }
            tags.append(tag)
            scanner.skipWhitespace()
            guard scanner.isAtEnd || scanner.take(Byte.comma) else { return nil }
        }
        guard !tags.isEmpty else { return nil }
        self = .tags(tags)
    }
}

extension FieldScanner {
    mutating func entityTag() -> EntityTag? {
        let isWeak = take(UInt8(ascii: "W"))
        if isWeak, !take(Byte.slash) { return nil }
        return entityTagContent().map { EntityTag($0, isWeak: isWeak) }
    }
}
