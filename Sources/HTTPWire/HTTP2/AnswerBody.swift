/// What of an answer's body has not been sent, to be cut into frames of any size.
struct AnswerBody {
    enum Supply: Equatable {
        /// So many bytes can be taken now; the last ones or not.
        case data(count: Int, isLast: Bool)
        /// Nothing before `resume`.
        case wait
        /// The body cannot be completed as its head promised.
        case failed
    }

    private enum Part {
        case none
        /// From this place on.
        case bytes([UInt8], Int)
        case slice(FileSlice)
    }

    /// Bytes asked of a source at once, as over HTTP/1.1.
    private static let pieceBytes = 64 * 1024

    private var part = Part.none
    /// A slice that follows the bytes in `part`.
    private var following: FileSlice?
    private var source: (any BodySource)?
    /// What the source still owes of the length that the head promised.
    private var missing: Int?
    private(set) var isWaiting = false

    /// No body.
    init() {}

    init(_ body: ResponseBody) {
        switch body {
        case .empty: break
        case .bytes(let bytes): part = .bytes(bytes, 0)
        case .slice(let slice): part = .slice(slice)
        case .stream(let length, let source):
            self.source = source
            missing = length
        }
    }

    mutating func resume() { isWaiting = false }

    /// How much of at most `limit` bytes, which is positive, can be taken.
    mutating func supply(upTo limit: Int) -> Supply {
        while available == 0 {
            if let slice = following {
                following = nil
                part = .slice(slice)
                continue
            }
            part = .none
            guard let source, missing != 0 else { return .data(count: 0, isLast: true) }
            if isWaiting { return .wait }
            guard produce(source) else { return .failed }
        }
        let count = min(available, limit)
        let isEmptied = count == available && following == nil
        return .data(count: count, isLast: isEmptied && (source == nil || missing == 0))
    }

    /// Moves `count` bytes, of which `supply` said that they are there.
    mutating func take(_ count: Int, into output: inout OutputBuffer) {
        switch part {
        case .none:
            precondition(count == 0, "more was taken than is there")
        case .bytes(let bytes, let start):
            output.append(bytes, start..<start + count)
            part = .bytes(bytes, start + count)
        case .slice(var slice):
            var head = slice
            head.count = count
            output.append(head)
            slice.offset += count
            slice.count -= count
            part = slice.count == 0 ? .none : .slice(slice)
        }
    }

    /// Whether the next bytes are a file's.
    var isAtSlice: Bool { if case .slice = part { true } else { false } }

    private var available: Int {
        switch part {
        case .none: 0
        case .bytes(let bytes, let start): bytes.count - start
        case .slice(let slice): slice.count
        }
    }

    /// - Returns: false when the body has failed.
    private mutating func produce(_ source: any BodySource) -> Bool {
        var buffer: [UInt8] = []
        let result = source.produce(upTo: Self.pieceBytes, into: &buffer)
        guard account(buffer.count) else { return false }
        part = .bytes(buffer, 0)
        switch result {
        case .bytes:
            precondition(!buffer.isEmpty, "a source said bytes and appended none")
        case .slice(let slice):
            following = slice
            return account(slice.count)
        case .wait:
            isWaiting = true
        case .end:
            self.source = nil
            return (missing ?? 0) == 0
        case .fail:
            return false
        }
        return true
    }

    /// - Returns: false when more came than the head promised.
    private mutating func account(_ count: Int) -> Bool {
        guard let missing else { return true }
        self.missing = missing - count
        return count <= missing
    }
}
