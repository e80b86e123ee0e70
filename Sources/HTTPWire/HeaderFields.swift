/// Header fields in the order they came; names compare without case (RFC 9110 section 5.1).
///
/// The bytes of the head are kept once, and fields are ranges in them, so that a head of thirty
/// fields costs two allocations. Values are without surrounding white space.
public struct HeaderFields: Sendable {
    struct Entry: Sendable {
        var name: Range<Int>
        var value: Range<Int>
    }

    private(set) var bytes: [UInt8]
    private(set) var entries: [Entry]

    public init() {
        bytes = []
        entries = []
    }

    /// Adopts `bytes`, of which `entries` name the fields.
    init(bytes: [UInt8], entries: [Entry]) {
        self.bytes = bytes
        self.entries = entries
    }

    /// The number of fields; several of one name count each.
    public var count: Int { entries.count }

    /// Adds a field after the others, as it is given: nothing is checked.
    public mutating func append(name: String, value: String) {
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        bytes.append(contentsOf: value.utf8)
        entries.append(Entry(name: start..<middle, value: middle..<bytes.count))
    }

    /// The value of the only field of this name; of several, the first. Nil without one.
    ///
    /// `name` is given in lower case. Bytes that are not UTF-8 are replaced.
    public func first(_ name: StaticString) -> String? {
        for entry in entries where matches(entry, name) {
            return String(decoding: bytes[entry.value], as: UTF8.self)
        }
        return nil
    }

    /// The values of all fields of this name, in order.
    public func all(_ name: StaticString) -> [String] {
        entries.filter { matches($0, name) }.map {
            String(decoding: bytes[$0.value], as: UTF8.self)
        }
    }

    /// The values of all fields of this name joined by commas, as RFC 9110 section 5.3 allows for
    /// list fields; nil without one.
    public func list(_ name: StaticString) -> String? {
        guard let first = entries.firstIndex(where: { matches($0, name) }) else { return nil }
        let hasMore = entries[(first + 1)...].contains { matches($0, name) }
        return hasMore
            ? all(name).joined(separator: ", ")
            : String(decoding: bytes[entries[first].value], as: UTF8.self)
    }

    /// Whether there is a field of this name, which is given in lower case.
    public func contains(_ name: StaticString) -> Bool {
        entries.contains { matches($0, name) }
    }

    private func matches(_ entry: Entry, _ name: StaticString) -> Bool {
        guard entry.name.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { wanted in
            var index = entry.name.lowerBound
            for character in wanted {
                let byte = bytes[index]
                let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
                guard lower == character else { return false }
                index += 1
            }
            return true
        }
    }
}
