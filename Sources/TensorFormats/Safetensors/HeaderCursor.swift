import StrictJSON

/// A JSON scanner over a safetensors header whose errors carry the position in the body and the
/// tensor that is being read.
struct HeaderCursor {
    /// Where the JSON begins in the body.
    static let jsonOffset = 8

    private var scanner: JSONScanner
    /// The tensor whose entry is being read.
    var tensor: String?

    init(_ json: UnsafeRawBufferPointer) {
        // Header, entry, shape: a legal header has three levels.
        scanner = JSONScanner(json, maximumDepth: 3)
    }

    /// The position of the next byte in the body.
    var offset: Int { Self.jsonOffset + scanner.offset }
    /// The position of the latest name in the body.
    var nameOffset: Int { Self.jsonOffset + scanner.nameOffset }

    func error(_ fault: SafetensorsFault, at offset: Int) -> ModelError {
        fault.error(at: offset, tensor: tensor.map(abbreviated))
    }

    mutating func enterObject(_ what: String) throws(ModelError) {
        try require(.object, what)
        do { try scanner.enterObject() } catch { throw converted(error) }
    }

    mutating func enterArray(_ what: String) throws(ModelError) {
        try require(.array, what)
        do { try scanner.enterArray() } catch { throw converted(error) }
    }

    mutating func nextName() throws(ModelError) -> String? {
        do { return try scanner.nextName() } catch { throw converted(error) }
    }

    mutating func nextElement() throws(ModelError) -> Bool {
        do { return try scanner.nextElement() } catch { throw converted(error) }
    }

    mutating func readString(_ what: String) throws(ModelError) -> String {
        try require(.string, what)
        do { return try scanner.readString() } catch { throw converted(error) }
    }

    /// A non-negative integer without fraction and exponent.
    mutating func readCount(_ what: String) throws(ModelError) -> Int {
        try require(.number, what)
        let start = offset
        let number: JSONNumber
        do { number = try scanner.readNumber() } catch { throw converted(error) }
        // `-0` is a number of JSON, but no length that anyone writes; the reference refuses it too.
        guard let count = number.int, !number.literal.utf8.starts(with: "-".utf8) else {
            throw self.error(
                .notACount(what: what, literal: abbreviated(number.literal)), at: start)
        }
        return count
    }

    mutating func finish() throws(ModelError) {
        do { try scanner.finish() } catch { throw converted(error) }
    }

    private mutating func require(_ kind: JSONKind, _ what: String) throws(ModelError) {
        let found: JSONKind
        do { found = try scanner.peekKind() } catch { throw converted(error) }
        guard found == kind else {
            throw error(
                .wrongKind(what: what, expected: kind.rawValue, found: found.rawValue),
                at: offset)
        }
    }

    private func converted(_ error: JSONError) -> ModelError {
        self.error(.json(reason: error.reason), at: Self.jsonOffset + error.offset)
    }
}
