/// Writes JSON into an array of bytes: compact, members in the order given, commas by itself.
///
/// The caller keeps the grammar: a `key` before each value inside an object, an `end…` for each
/// `begin…`.
public struct JSONWriter {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []
    /// A value was written at this level, so the next one is preceded by a comma.
    private var needsComma = false

    /// - Parameter capacity: Bytes to make room for at once.
    public init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    /// `{`
    public mutating func beginObject() { begin(UInt8(ascii: "{")) }
    /// `}`
    public mutating func endObject() { end(UInt8(ascii: "}")) }
    /// `[`
    public mutating func beginArray() { begin(UInt8(ascii: "[")) }
    /// `]`
    public mutating func endArray() { end(UInt8(ascii: "]")) }

    /// The name of the member whose value comes next.
    public mutating func key(_ name: String) {
        separate()
        quote(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member that is a string, escaped; null without one.
    public mutating func member(_ name: String, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    /// A member that is an integer; null without one.
    public mutating func member(_ name: String, _ value: Int?) {
        key(name)
        if let value { int(value) } else { null() }
    }

    /// A member that is a finite number; null without one.
    public mutating func member(_ name: String, _ value: Double?) {
        key(name)
        if let value { double(value) } else { null() }
    }

    /// A member that is true or false.
    public mutating func member(_ name: String, _ value: Bool) {
        key(name)
        bool(value)
    }

    /// A string, escaped.
    public mutating func string(_ value: String) {
        separate()
        quote(value)
    }

    /// An integer in decimal.
    public mutating func int(_ value: Int) {
        separate()
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        let start = bytes.count
        var rest = value.magnitude
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    /// The shortest text that reads back to the same double. `value` must be finite: JSON has no
    /// text for the others.
    public mutating func double(_ value: Double) {
        precondition(value.isFinite, "JSON has no NaN and no infinity")
        separate()
        bytes.append(contentsOf: value.description.utf8)
    }

    /// `true` or `false`.
    public mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// `null`
    public mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// A value that is JSON already.
    public mutating func raw(_ value: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: value)
    }

    // MARK: Beneath

    private mutating func begin(_ brace: UInt8) {
        separate()
        bytes.append(brace)
        needsComma = false
    }

    private mutating func end(_ brace: UInt8) {
        bytes.append(brace)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    /// Escapes what RFC 8259 section 7 demands and nothing more.
    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        // Nearly every text needs no escape and is copied whole.
        let needsEscape = text.utf8.contains {
            $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\")
        }
        if needsEscape { escape(text) } else { bytes.append(contentsOf: text.utf8) }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                bytes.append(contentsOf: (digits.utf8.count == 1 ? "\\u000" : "\\u00").utf8)
                bytes.append(contentsOf: digits.utf8)
            default: bytes.append(byte)
            }
        }
    }
}
