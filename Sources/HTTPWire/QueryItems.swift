/// A query's `name=value` items, split at `&`, percent-decoded.
///
/// `+` is itself and not a space: nothing in RFC 3986 says otherwise, and steps, names and types
/// are no web form. An item without `=` has an empty value; empty items (`a&&b`) are skipped.
public struct QueryItems: Sendable {
    /// All items in the order they came.
    public let items: [(name: String, value: String)]

    /// - Returns: nil when an escape is malformed, or a name or value has a NUL or is not UTF-8.
    ///   A query that is absent or empty has no items.
    public init?(_ query: String?) {
        guard var query else {
            items = []
            return
        }
        guard let items = query.withUTF8({ Self.items($0) }) else { return nil }
        self.items = items
    }

    private static func items(
        _ query: UnsafeBufferPointer<UInt8>
    ) -> [(name: String, value: String)]? {
        var items: [(name: String, value: String)] = []
        for part in query.split(separator: UInt8(ascii: "&")) {
            let end = part.firstIndex(of: Byte.equals) ?? part.endIndex
            guard let name = RequestTarget.decode(part[..<end]),
                let value = RequestTarget.decode(part[end...].dropFirst())
            else { return nil }
            items.append((name, value))
        }
        return items
    }

    /// The value of the first item of this name; nil without one.
    public func first(_ name: String) -> String? {
        items.first { $0.name == name }?.value
    }

    /// A name that came more than once; nil if none did.
    public var firstDuplicate: String? {
        var seen: Set<String> = []
        return items.first { !seen.insert($0.name).inserted }?.name
    }

    /// The items sorted by the bytes of name and value and encoded in one way, so that two queries
    /// that mean the same are the same text.
    public var canonical: String {
        let encoded = items.map { (Self.encode($0.name), Self.encode($0.value)) }
        return encoded.sorted { $0 < $1 }.map { "\($0)=\($1)" }.joined(separator: "&")
    }

    /// Everything but `unreserved` (RFC 3986 section 2.3) as escapes.
    private static func encode(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if Byte.isHostName(byte), byte != Byte.percent {
                bytes.append(byte)
            } else {
                bytes.append(Byte.percent)
                bytes.append(Byte.hexadecimalDigit(byte >> 4))
                bytes.append(Byte.hexadecimalDigit(byte & 15))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
