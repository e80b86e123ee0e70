/// Reads a whole JSON document into memory, by the letter of RFC 8259.
///
/// Beyond the grammar a document is refused for: a name that occurs twice in one object (names
/// that are canonically equivalent in Unicode count as the same, because Swift's strings compare
/// so), ill-formed UTF-8, lone surrogates, a byte order mark, and nesting beyond `maximumDepth`.
public enum JSONReader {
    /// - Parameters:
    ///   - maximumDepth: How many arrays and objects may lie within each other; it also bounds the
    ///     recursion, so it is to be a few hundred at most.
    ///   - allowsNonFiniteNumbers: Lets `NaN`, `Infinity` and `-Infinity` pass as numbers, so that
    ///     the caller can say in its own words what is wrong with them.
    public static func read(
        _ bytes: [UInt8], maximumDepth: Int, allowsNonFiniteNumbers: Bool = false
    ) throws(JSONError) -> JSONValue {
        try bytes.withUnsafeBufferPointer { buffer throws(JSONError) in
            var scanner = JSONScanner(
                UnsafeRawBufferPointer(buffer), maximumDepth: maximumDepth,
                allowsNonFiniteNumbers: allowsNonFiniteNumbers)
            let value = try value(&scanner)
            try scanner.finish()
            return value
        }
    }

    private static func value(_ scanner: inout JSONScanner) throws(JSONError) -> JSONValue {
        switch try scanner.peekKind() {
        case .null:
            try scanner.readNull()
            return .null
        case .bool: return .bool(try scanner.readBool())
        case .number: return .number(try scanner.readNumber())
        case .string: return .string(try scanner.readString())
        case .array:
            var elements: [JSONValue] = []
            try scanner.enterArray()
            while try scanner.nextElement() { elements.append(try value(&scanner)) }
            return .array(elements)
        case .object: return .object(try object(&scanner))
        }
    }

    private static func object(_ scanner: inout JSONScanner) throws(JSONError) -> JSONObject {
        var object = JSONObject()
        var names: Set<String> = []
        try scanner.enterObject()
        while let name = try scanner.nextName() {
            guard names.insert(name).inserted else {
                throw JSONError(
                    offset: scanner.nameOffset,
                    reason: "the name \"\(abbreviated(name))\" occurs twice in an object")
            }
            object.members.append((name, try value(&scanner)))
        }
        return object
    }
}
