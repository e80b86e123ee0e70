/// Conditional requests by entity tag (RFC 9110 section 13).
///
/// The service has no `Last-Modified`, so the conditions on dates are not for it: they are ignored,
/// and an `If-Range` with a date never holds.
public enum Conditions {
    /// What is to be done with a request once its conditions are known.
    public enum Decision: Sendable, Equatable {
        /// Perform the method; `honorsRange`: a `Range` field counts.
        case proceed(honorsRange: Bool)
        /// 304.
        case notModified
        /// 412.
        case preconditionFailed
    }

    /// Decides in the order of RFC 9110 section 13.2.2: `If-Match`, `If-None-Match`, `If-Range`.
    ///
    /// `current` is the tag of the selected representation, nil when there is none. A malformed
    /// `If-Match` fails, since its sender wanted to be safe; a malformed `If-None-Match` is
    /// ignored, since its sender wanted to save a transfer.
    public static func evaluate(
        _ fields: HeaderFields, method: String, current: EntityTag?
    ) -> Decision {
        if let field = fields.list("if-match"), !holds(ifMatch: field, current) {
            return .preconditionFailed
        }
        if let field = fields.list("if-none-match"), !holds(ifNoneMatch: field, current) {
            return method == "GET" || method == "HEAD" ? .notModified : .preconditionFailed
        }
        // Range is defined for GET alone (section 14.2).
        return .proceed(honorsRange: method == "GET" && holdsIfRange(fields, current))
    }

    private static func holds(ifMatch field: String, _ current: EntityTag?) -> Bool {
        guard let current else { return false }
        switch EntityTagList(field) {
        case .any: return true
        case .tags(let tags): return tags.contains { $0.stronglyMatches(current) }
        case nil: return false
        }
    }

    private static func holds(ifNoneMatch field: String, _ current: EntityTag?) -> Bool {
        guard let current else { return true }
        // As it nearly always is where the condition does not hold.
        if field == current.fieldValue { return false }
        switch EntityTagList(field) {
        case .any: return false
        case .tags(let tags): return !tags.contains { $0.weaklyMatches(current) }
        case nil: return true
        }
    }

    private static func holdsIfRange(_ fields: HeaderFields, _ current: EntityTag?) -> Bool {
        let values = fields.all("if-range")
        guard let value = values.first else { return true }
        var scanner = FieldScanner(value)
        guard values.count == 1, let current, let tag = scanner.entityTag(), scanner.isAtEnd else {
            return false
        }
        return tag.stronglyMatches(current)
    }
}
