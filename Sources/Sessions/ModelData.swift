import TensorFormats
import Tensors

/// A model's data section, read in ranges by several threads at once.
///
/// `@unchecked Sendable`: whoever hands over memory keeps it as it is until the fold has ended.
enum ModelData: @unchecked Sendable {
    case memory(UnsafeRawBufferPointer)
    /// The section begins at `offset`.
    case file(ModelFile, offset: Int)

    /// The bytes of `range`: in place, or read into `room`, which must be large enough.
    func bytes(
        _ range: Range<Int>, _ room: UnsafeMutableRawBufferPointer
    ) throws(SessionError) -> UnsafeRawBufferPointer {
        switch self {
        case .memory(let bytes): UnsafeRawBufferPointer(rebasing: bytes[range])
        case .file(let file, let offset):
            try file.bytes(range.lowerBound + offset..<range.upperBound + offset, room)
        }
    }
}

/// A data section cut into pieces of one tensor each, and those into batches of neighbours that
/// one thread folds in turn.
struct FoldBatches: Sendable {
    struct Piece: Sendable {
        /// Index in the header.
        let tensor: Int
        let elementOffset: Int
        /// In the data section.
        let bytes: Range<Int>
    }

    private(set) var pieces: [Piece] = []
    /// Ranges of `pieces`, whose bytes follow on each other.
    private(set) var batches: [Range<Int>] = []

    /// - Parameter byteCount: of a batch at most, and at least 8.
    init(_ header: SafetensorsHeader, byteCount: Int) {
        var batchStart = 0
        var used = 0
        for (index, tensor) in header.tensors.enumerated() {
            let size = tensor.spec.elementType.byteCount
            var first = 0
            while first < tensor.spec.elementCount {
                if byteCount - used < size {
                    batches.append(batchStart..<pieces.count)
                    (batchStart, used) = (pieces.count, 0)
                }
                let count = min((byteCount - used) / size, tensor.spec.elementCount - first)
                let start = tensor.byteOffset + first * size
                pieces.append(
                    Piece(
                        tensor: index, elementOffset: first, bytes: start..<start + count * size))
                first += count
                used += count * size
            }
        }
        if batchStart < pieces.count { batches.append(batchStart..<pieces.count) }
    }

    /// The bytes of a batch in the data section.
    func byteRange(of batch: Range<Int>) -> Range<Int> {
        pieces[batch.lowerBound].bytes.lowerBound..<pieces[batch.upperBound - 1].bytes.upperBound
    }
}
