/// What memory, offset and length of a direct write are multiples of.
let pageBytes = 4096

/// Where a checkpoint's bytes come from.
enum CheckpointSource {
    case memory(UnsafeRawBufferPointer)
    case file(Int32, byteCount: Int)

    var byteCount: Int {
        switch self {
        case .memory(let bytes): bytes.count
        case .file(_, let byteCount): byteCount
        }
    }

    /// The bytes of `range`, beginning at a page: where they are, or copied to `buffer`.
    func piece(
        _ range: Range<Int>, buffer: UnsafeMutableRawBufferPointer, path: String
    ) throws(StorageError) -> UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
        switch self {
        case .memory(let bytes):
            let piece = UnsafeRawBufferPointer(rebasing: bytes[range])
            if Int(bitPattern: piece.baseAddress) % pageBytes == 0 { return piece }
            copy.copyMemory(from: piece)
        case .file(let fd, let byteCount):
            let count = try readFully(fd, into: copy, at: range.lowerBound, path: path)
            guard count == range.count else {
                throw .damaged(
                    path: path,
                    detail: "its source has \(range.lowerBound + count) bytes, not \(byteCount)")
            }
        }
        return UnsafeRawBufferPointer(copy)
    }
}
