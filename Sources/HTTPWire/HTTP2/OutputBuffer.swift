/// Output being put together: what is small is gathered, so that one write takes it all.
struct OutputBuffer {
    /// Bytes that are larger are written from where they lie.
    private static let gatheredBytes = 32 * 1024

    private var pieces: [OutputPiece] = []
    private var gathered: [UInt8] = []
    private(set) var count = 0

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        gathered.append(contentsOf: bytes)
        count += bytes.count
    }

    mutating func append(_ bytes: [UInt8], _ range: Range<Int>) {
        if range.count == bytes.count, range.count > Self.gatheredBytes {
            endGathered()
            pieces.append(.bytes(bytes))
        } else {
            gathered.append(contentsOf: bytes[range])
        }
        count += range.count
    }

    mutating func append(_ slice: FileSlice) {
        endGathered()
        pieces.append(.slice(slice))
        count += slice.count
    }

    /// Everything so far; the buffer is empty then, and holds no memory.
    mutating func take() -> EngineOutput {
        guard count > 0 else { return .nothing }
        defer { self = OutputBuffer() }
        if pieces.isEmpty { return .bytes(gathered) }
        endGathered()
        return .pieces(pieces)
    }

    private mutating func endGathered() {
        guard !gathered.isEmpty else { return }
        pieces.append(.bytes(gathered))
        gathered = []
    }
}
