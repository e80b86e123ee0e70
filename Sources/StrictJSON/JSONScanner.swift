/// Reads strict JSON (RFC 8259) step by step, without building a tree.
///
/// The caller follows the document: `peekKind`, then the `read…` or `enter…` that fits; inside an
/// object `nextName` before each value until it returns nil, inside an array `nextElement` until it
/// returns false; `finish` after the outermost value. Every method throws `JSONError` where the
/// document breaks the grammar. Names are not compared with each other: that a name occurs once is
/// for the caller to check, who keeps the names anyway.
///
/// The memory is borrowed: it must outlive the scanner and not change.
public struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    let maximumDepth: Int
    let allowsNonFiniteNumbers: Bool
    /// The position of the next byte to be looked at.
    public internal(set) var offset = 0
    /// The position of the latest name's opening quote.
    public private(set) var nameOffset = 0
    private var depth = 0
    /// A container was just entered: no comma comes before its first member.
    private var isAtFirst = false

    /// - Parameters:
    ///   - maximumDepth: How many arrays and objects may lie within each other.
    ///   - allowsNonFiniteNumbers: Whether `NaN`, `Infinity` and `-Infinity` pass as numbers.
    public init(
        _ bytes: UnsafeRawBufferPointer, maximumDepth: Int, allowsNonFiniteNumbers: Bool = false
    ) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
        self.allowsNonFiniteNumbers = allowsNonFiniteNumbers
    }

    /// What kind of value comes next. The value's remaining bytes are not yet looked at.
    public mutating func peekKind() throws(JSONError) -> JSONKind {
        skipWhiteSpace()
        switch try byte(orExpected: "a value") {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "N"), UInt8(ascii: "I"):
            guard allowsNonFiniteNumbers else {
                throw failure("expected a value (NaN and Infinity are not JSON)")
            }
            return .number
        case 0xEF where offset == 0 && bytes.starts(with: [0xEF, 0xBB, 0xBF]):
            throw failure("a byte order mark is not allowed")
        default:
            throw unexpected(expected: "a value")
        }
    }

    /// Takes an object's opening brace.
    public mutating func enterObject() throws(JSONError) {
        try enter(.object)
    }

    /// Takes an array's opening bracket.
    public mutating func enterArray() throws(JSONError) {
        try enter(.array)
    }

    /// The next member's name, with its colon taken; nil after the object's closing brace.
    public mutating func nextName() throws(JSONError) -> String? {
        guard try advance(closing: UInt8(ascii: "}"), "\",\" or \"}\"") else { return nil }
        guard try byte(orExpected: "a name") == UInt8(ascii: "\"") else {
            throw unexpected(expected: "a name in double quotes")
        }
        nameOffset = offset
        let name = try readString()
        skipWhiteSpace()
        guard try byte(orExpected: "\":\"") == UInt8(ascii: ":") else {
            throw unexpected(expected: "\":\"")
        }
        offset += 1
        return name
    }

    /// Whether another element comes; false after the array's closing bracket.
    public mutating func nextElement() throws(JSONError) -> Bool {
        try advance(closing: UInt8(ascii: "]"), "\",\" or \"]\"")
    }

    /// Reads `true` or `false`.
    public mutating func readBool() throws(JSONError) -> Bool {
        try require(.bool)
        if take("true") { return true }
        if take("false") { return false }
        throw failure("expected true or false")
    }

    /// Reads `null`.
    public mutating func readNull() throws(JSONError) {
        try require(.null)
        guard take("null") else { throw failure("expected null") }
    }

    /// Only white space may follow the outermost value.
    public mutating func finish() throws(JSONError) {
        skipWhiteSpace()
        guard offset == bytes.count else {
            throw unexpected(expected: "nothing after the value")
        }
    }

    // MARK: Beneath

    private mutating func enter(_ kind: JSONKind) throws(JSONError) {
        try require(kind)
        guard depth < maximumDepth else {
            throw failure("nested deeper than \(maximumDepth) levels")
        }
        depth += 1
        offset += 1
        isAtFirst = true
    }

    /// Takes the comma before a member, or the container's end (false).
    private mutating func advance(
        closing: UInt8, _ expected: StaticString
    ) throws(JSONError) -> Bool {
        skipWhiteSpace()
        let wasAtFirst = isAtFirst
        isAtFirst = false
        let next = try byte(orExpected: expected)
        if next == closing {
            offset += 1
            depth -= 1
            return false
        }
        if wasAtFirst { return true }
        guard next == UInt8(ascii: ",") else { throw unexpected(expected: expected) }
        offset += 1
        skipWhiteSpace()
        if offset < bytes.count, bytes[offset] == closing {
            throw failure("a trailing comma is not allowed")
        }
        return true
    }

    mutating func require(_ kind: JSONKind) throws(JSONError) {
        let found = try peekKind()
        guard found == kind else {
            throw failure("expected \(kind.rawValue), found \(found.rawValue)")
        }
    }

    mutating func skipWhiteSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    /// Takes `word` if it comes next.
    mutating func take(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - offset >= length else { return false }
        for index in 0..<length where bytes[offset + index] != word.utf8Start[index] {
            return false
        }
        offset += length
        return true
    }

    func byte(orExpected expected: StaticString) throws(JSONError) -> UInt8 {
        guard offset < bytes.count else {
            throw failure("expected \(expected), found the end")
        }
        return bytes[offset]
    }

    func failure(_ reason: String) -> JSONError {
        JSONError(offset: offset, reason: reason)
    }

    func unexpected(expected: StaticString) -> JSONError {
        guard offset < bytes.count else { return failure("expected \(expected), found the end") }
        let byte = bytes[offset]
        let found =
            (0x21...0x7E).contains(byte)
            ? "\"\(Character(Unicode.Scalar(byte)))\"" : "byte 0x" + String(byte, radix: 16)
        return failure("expected \(expected), found \(found)")
    }
}
