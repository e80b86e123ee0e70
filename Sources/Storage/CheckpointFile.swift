import Glibc

/// A preallocated file that holds one copy of a model's bytes and nothing else: its length and the
/// CRC-32C of each block lie in the record that refers to it. Written in place: never pass the file
/// that the current record refers to. From any thread; one user of a path at a time.
public enum CheckpointFile {
    /// Bytes that one checksum covers; the last block may be shorter.
    public static let blockBytes = 1 << 20
    /// Bytes of one write: with O_DIRECT, smaller ones leave the disk idle in between.
    private static let pieceBytes = 8 * blockBytes

    /// Writes `bytes`, which must not change meanwhile, to the file at `path` (made if there is
    /// none) so that they outlast a power cut, and returns the checksum of each block. Saves a copy
    /// if they begin at a page.
    ///
    /// After an error a file that this call made is gone, and one that was there holds a mixture.
    public static func write(
        _ bytes: UnsafeRawBufferPointer, to path: String
    ) throws(StorageError) -> [UInt32] {
        try write(.memory(bytes), to: path)
    }

    /// The same with the first `byteCount` bytes of an open file, which must not change meanwhile.
    /// Throws `.damaged` if it has fewer.
    public static func write(
        from fileDescriptor: Int32, byteCount: Int, to path: String
    ) throws(StorageError) -> [UInt32] {
        try write(.file(fileDescriptor, byteCount: byteCount), to: path)
    }

    /// Fills the first `byteCount` bytes of `destination` from the file and compares the checksum
    /// of each block. Throws `.missing`, or `.damaged` with the first wrong block, after which the
    /// destination holds bytes that must not be used.
    public static func read(
        _ path: String, byteCount: Int, checksums: [UInt32],
        into destination: UnsafeMutableRawBufferPointer
    ) throws(StorageError) {
        precondition(destination.count >= byteCount, "the destination is too small")
        try check(path, byteCount: byteCount, checksums: checksums) { range in
            UnsafeMutableRawBufferPointer(rebasing: destination[range])
        }
    }

    /// Reads the file and compares the checksum of each block. Throws as `read` does.
    public static func verify(
        _ path: String, byteCount: Int, checksums: [UInt32]
    ) throws(StorageError) {
        let buffer = pieceBuffer(byteCount)
        defer { buffer.deallocate() }
        try check(path, byteCount: byteCount, checksums: checksums) { range in
            UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
        }
    }

    // MARK: Writing

    private static func write(
        _ source: CheckpointSource, to path: String
    ) throws(StorageError) -> [UInt32] {
        let (file, isNew) = try openOrCreate(path)
        do throws(StorageError) {
            try preallocate(file, byteCount: source.byteCount)
            let checksums = try fill(file, from: source)
            try file.sync(metadata: false)
            if isNew { try Directories.sync(Directories.parent(of: path)) }
            return checksums
        } catch {
            if isNew { try? Directories.removeFile(path) }
            throw error
        }
    }

    private static func openOrCreate(
        _ path: String
    ) throws(StorageError) -> (file: StorageFile, isNew: Bool) {
        do {
            return (try StorageFile.open(path, O_RDWR), false)
        } catch .missing {
            return (try StorageFile.open(path, O_RDWR | O_CREAT | O_EXCL), true)
        }
    }

    /// A file of the right size was preallocated by an earlier call.
    private static func preallocate(_ file: StorageFile, byteCount: Int) throws(StorageError) {
        let found = try file.byteCount
        if found > byteCount { try file.truncate(to: byteCount) }
        if found < byteCount { try file.allocate(0..<byteCount, keepingSize: false) }
    }

    private static func fill(
        _ file: StorageFile, from source: CheckpointSource
    ) throws(StorageError) -> [UInt32] {
        let buffer = pieceBuffer(source.byteCount)
        defer { buffer.deallocate() }
        var checksums: [UInt32] = []
        // A small file is one write and one flush either way.
        var isDirect = source.byteCount >= blockBytes && file.setDirect(true)
        for range in pieces(of: source.byteCount) {
            let piece = try source.piece(range, buffer: buffer, path: file.path)
            checksums += blockChecksums(piece)
            // Directly go whole pages; the rest of the last piece goes through the page cache.
            var done = 0
            if isDirect {
                do {
                    let whole = piece.count / pageBytes * pageBytes
                    try file.write(
                        UnsafeRawBufferPointer(rebasing: piece[..<whole]), at: range.lowerBound)
                    done = whole
                } catch .failed(_, _, EINVAL) {
                    // The file system takes the flag but not these multiples.
                }
                if done < piece.count { isDirect = !file.setDirect(false) }
            }
            let rest = UnsafeRawBufferPointer(rebasing: piece[done...])
            try file.write(rest, at: range.lowerBound + done)
        }
        return checksums
    }

    // MARK: Reading

    /// Reads the file piece by piece to where `place` says.
    private static func check(
        _ path: String, byteCount: Int, checksums: [UInt32],
        place: (Range<Int>) -> UnsafeMutableRawBufferPointer
    ) throws(StorageError) {
        let file = try StorageFile.open(path, O_RDONLY)
        let found = try file.byteCount
        guard found == byteCount else {
            throw .damaged(path: path, detail: "it has \(found) bytes instead of \(byteCount)")
        }
        guard checksums.count == (byteCount + blockBytes - 1) / blockBytes else {
            throw .damaged(
                path: path, detail: "\(checksums.count) checksums are known for \(byteCount) bytes")
        }
        file.forgetCache()
        _ = posix_fadvise(file.fileDescriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        for range in pieces(of: byteCount) {
            let piece = place(range)
            guard try file.read(into: piece, at: range.lowerBound) == range.count else {
                throw .damaged(path: path, detail: "it ends before byte \(range.upperBound)")
            }
            let first = range.lowerBound / blockBytes
            for (index, found) in blockChecksums(UnsafeRawBufferPointer(piece)).enumerated()
            where found != checksums[first + index] {
                throw .damaged(
                    path: path,
                    detail: "block \(first + index), at byte \((first + index) * blockBytes), "
                        + "has another checksum")
            }
        }
    }

    // MARK: Pieces and blocks

    private static func pieces(of byteCount: Int) -> some Sequence<Range<Int>> {
        stride(from: 0, to: byteCount, by: pieceBytes).lazy.map { start in
            start..<min(start + pieceBytes, byteCount)
        }
    }

    private static func blockChecksums(_ piece: UnsafeRawBufferPointer) -> [UInt32] {
        stride(from: 0, to: piece.count, by: blockBytes).map { start in
            let end = min(start + blockBytes, piece.count)
            return Checksum.crc32c(UnsafeRawBufferPointer(rebasing: piece[start..<end]))
        }
    }

    /// Room for the largest piece, as direct writes want it.
    private static func pieceBuffer(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        .allocate(byteCount: min(byteCount, pieceBytes), alignment: pageBytes)
    }
}
