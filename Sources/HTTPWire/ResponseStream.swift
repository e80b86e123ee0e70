/// Pulls a response's body out of its source and frames it.
struct ResponseStream {
    enum Framing {
        /// So many bytes are still to come.
        case length(Int)
        case chunked
        case untilClose
    }

    enum Piece {
        case bytes([UInt8])
        case slice(FileSlice)
        /// Nothing before `resume`.
        case nothing
        /// Everything was handed out.
        case end
        /// The body cannot be completed as its head promised.
        case failed
    }

    /// Bytes asked of a source at once: large enough that the calls cost nothing beside the
    /// copying, small enough for the second-level cache.
    private static let pieceBytes = 64 * 1024
    /// A chunk's size line: eight digits, CR, LF.
    private static let sizeLineBytes = 10

    private let source: any BodySource
    private var framing: Framing
    private var pendingSlice: FileSlice?
    private var owesLineEnd = false
    private var isWaiting = false
    private var hasEnded = false

    init(_ source: any BodySource, framing: Framing) {
        self.source = source
        self.framing = framing
    }

    mutating func resume() {
        isWaiting = false
    }

    /// The next piece to write.
    mutating func next() -> Piece {
        if let slice = pendingSlice {
            pendingSlice = nil
            return .slice(slice)
        }
        if hasEnded { return .end }
        if isWaiting { return .nothing }

        var buffer: [UInt8] = []
        if owesLineEnd { buffer.append("\r\n") }
        owesLineEnd = false
        let (part, count) = produce(into: &buffer)
        guard account(count) else { return .failed }
        switch part {
        case .bytes:
            precondition(count > 0, "a source said bytes and appended none")
        case .slice(let slice):
            guard account(slice.count) else { return .failed }
            if slice.count > 0 { append(slice, to: &buffer) }
        case .wait:
            isWaiting = true
        case .end:
            if case .length(let missing) = framing, missing > 0 { return .failed }
            if case .chunked = framing { buffer.append("0\r\n\r\n") }
            hasEnded = true
        case .fail:
            return .failed
        }
        return buffer.isEmpty ? next() : .bytes(buffer)
    }

    /// Lets the source append, and makes a chunk of it.
    private func produce(into buffer: inout [UInt8]) -> (BodyPart, Int) {
        guard case .chunked = framing else {
            let start = buffer.count
            let part = source.produce(upTo: Self.pieceBytes, into: &buffer)
            return (part, buffer.count - start)
        }
        let sizeLine = buffer.count
        buffer.append("00000000\r\n")
        let start = buffer.count
        let part = source.produce(upTo: Self.pieceBytes, into: &buffer)
        let count = buffer.count - start
        if count == 0 {
            // A chunk without data would end the body.
            buffer.removeLast(Self.sizeLineBytes)
        } else {
            for digit in 0..<8 {
                let value = UInt8(count >> (28 - 4 * digit) & 15)
                buffer[sizeLine + digit] = Byte.hexadecimalDigit(value)
            }
            buffer.append("\r\n")
        }
        return (part, count)
    }

    private mutating func append(_ slice: FileSlice, to buffer: inout [UInt8]) {
        pendingSlice = slice
        guard case .chunked = framing else { return }
        buffer.append(contentsOf: String(slice.count, radix: 16).utf8)
        buffer.append("\r\n")
        owesLineEnd = true
    }

    /// - Returns: false when more came than the head promised.
    private mutating func account(_ count: Int) -> Bool {
        guard case .length(let missing) = framing else { return true }
        guard count <= missing else { return false }
        framing = .length(missing - count)
        return true
    }
}
