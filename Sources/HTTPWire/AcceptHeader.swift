/// An `Accept` field: which media types the client takes, and how gladly (RFC 9110 section 12.5.1).
public struct AcceptHeader: Sendable {
    private struct MediaRange {
        var type: String
        var subtype: String
        var parameters: [Parameter]
        /// Thousandths.
        var quality: Int

        /// How exactly the range names what it matches; nil when it does not match.
        func specificity(for media: MediaRange) -> Int? {
            if type == "*" { return 0 }
            guard type == media.type else { return nil }
            if subtype == "*" { return 1 }
            guard subtype == media.subtype,
                parameters.allSatisfy({ media.parameters.contains($0) })
            else { return nil }
            return 2 + parameters.count
        }
    }

    private struct Parameter: Equatable {
        var name: String
        var value: String
    }

    private let ranges: [MediaRange]

    /// Reads the field's value (several fields joined by commas).
    ///
    /// A field that is absent, empty or malformed accepts everything: section 12.4.1 lets a
    /// server disregard it, and an answer in the default form helps more than 406.
    public init(_ field: String?) {
        ranges = field.flatMap { Self.parse($0) } ?? []
    }

    /// How gladly `mediaType` is taken, in thousandths; 0: not at all.
    ///
    /// The most specific range that matches decides (section 12.5.1).
    public func quality(of mediaType: String) -> Int {
        guard !ranges.isEmpty else { return 1000 }
        var scanner = FieldScanner(mediaType)
        guard let media = Self.mediaRange(&scanner) else { return 0 }
        var best: (specificity: Int, quality: Int) = (-1, 0)
        for range in ranges {
            if let specificity = range.specificity(for: media), specificity > best.specificity {
                best = (specificity, range.quality)
            }
        }
        return best.quality
    }

    /// The most wanted of the types that `offered` holds in the server's order of preference, which
    /// breaks ties; nil when none is accepted (406).
    public func best(of offered: [String]) -> String? {
        var best: (type: String, quality: Int)?
        for type in offered {
            let quality = quality(of: type)
            if quality > best?.quality ?? 0 { best = (type, quality) }
        }
        return best?.type
    }

    private static func parse(_ field: String) -> [MediaRange]? {
        var scanner = FieldScanner(field)
        var ranges: [MediaRange] = []
        while true {
            scanner.skipWhitespace()
            if scanner.take(Byte.comma) { continue }
            if scanner.isAtEnd { return ranges }
            guard let range = mediaRange(&scanner) else { return nil }
            ranges.append(range)
            guard scanner.isAtEnd || scanner.take(Byte.comma) else { return nil }
        }
    }

    /// `type/subtype` and parameters. `*` is a token character, so ranges need no rule of
    /// their own. What follows `q` was an extension once and is not compared (section 12.5.1).
    private static func mediaRange(_ scanner: inout FieldScanner) -> MediaRange? {
        guard let type = scanner.token(), scanner.take(Byte.slash),
            let subtype = scanner.token(), type != "*" || subtype == "*"
        else { return nil }
        var range = MediaRange(type: type, subtype: subtype, parameters: [], quality: 1000)
        var sawQuality = false
        scanner.skipWhitespace()
        while scanner.take(Byte.semicolon) {
            scanner.skipWhitespace()
            guard let name = scanner.token() else { continue }
            guard scanner.take(Byte.equals),
                let value = scanner.token() ?? scanner.quotedString()
            else { return nil }
            if name == "q", !sawQuality {
                guard let quality = QualityValue.thousandths(value) else { return nil }
                range.quality = quality
                sawQuality = true
            } else if !sawQuality {
                range.parameters.append(Parameter(name: name, value: value))
            }
            scanner.skipWhitespace()
        }
        return range
    }
}
