import Glibc
import HTTPWire

/// Pieces of output that are written together, each let go of with its last byte.
struct PieceQueue {
    /// Pieces in one call: each costs the kernel a look, and a megabyte of 16 KiB frames has 128.
    private static let callPieces = 128

    private var pieces: [OutputPiece]
    /// The first that is not written whole.
    private var index = 0
    /// Of that one, how many bytes are written.
    private var written = 0

    init(_ pieces: [OutputPiece]) {
        self.pieces = pieces
        // Empty pieces at the front are as good as written.
        advance(by: 0)
    }

    var isEmpty: Bool { index == pieces.count }

    /// Writes as much as `stream` takes in one call, at most `limit` bytes.
    ///
    /// - Parameter scratch: for slices of files that are not mapped.
    mutating func write(
        to stream: any ByteStream, upTo limit: Int, scratch: UnsafeMutableRawBufferPointer
    ) -> SystemOutcome {
        guard !isEmpty else { return .done(0) }
        var outcome: SystemOutcome
        if case .slice(let slice) = pieces[index], slice.mapping == nil {
            outcome = stream.copy(
                slice, from: written, count: min(slice.count - written, limit), scratch: scratch)
            // The file is shorter than the slice: the answer cannot be completed.
            if case .done(0) = outcome { outcome = .failed(EIO) }
        } else {
            outcome = withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.callPieces) {
                stream.write(UnsafeBufferPointer(rebasing: $0[..<gather(into: $0, upTo: limit)]))
            }
        }
        if case .done(let count) = outcome { advance(by: count) }
        return outcome
    }

    /// Names the memory of the next pieces, as long as it is there.
    private func gather(into vectors: UnsafeMutableBufferPointer<iovec>, upTo limit: Int) -> Int {
        var count = 0
        var left = limit
        var skipped = written
        var next = index
        while count < vectors.count, left > 0, next < pieces.count {
            guard let memory = Self.memory(of: pieces[next]) else { break }
            let bytes = memory.dropFirst(skipped).prefix(left)
            let part = UnsafeRawBufferPointer(rebasing: bytes)
            let base = UnsafeMutableRawPointer(mutating: part.baseAddress)
            vectors.initializeElement(at: count, to: iovec(iov_base: base, iov_len: part.count))
            count += 1
            left -= part.count
            skipped = 0
            next += 1
        }
        return count
    }

    /// Where a piece's bytes lie; nil for a slice of a file that is not mapped.
    private static func memory(of piece: OutputPiece) -> UnsafeRawBufferPointer? {
        switch piece {
        // The array stays where it is as long as the queue holds it and does not change it.
        case .bytes(let bytes): bytes.withUnsafeBytes { $0 }
        case .slice(let slice):
            slice.mapping.map {
                UnsafeRawBufferPointer(start: $0.pointer + slice.offset, count: slice.count)
            }
        }
    }

    private mutating func advance(by count: Int) {
        written += count
        while index < pieces.count, written >= pieces[index].count {
            written -= pieces[index].count
            pieces[index] = .bytes([])
            index += 1
        }
    }
}

extension OutputPiece {
    var count: Int {
        switch self {
        case .bytes(let bytes): bytes.count
        case .slice(let slice): slice.count
        }
    }
}

extension ByteStream {
    /// Writes `count` bytes of a slice, from its byte `start` on, by copying them.
    func copy(
        _ slice: FileSlice, from start: Int, count: Int, scratch: UnsafeMutableRawBufferPointer
    ) -> SystemOutcome {
        let offset = slice.offset + start
        if let mapping = slice.mapping {
            return write(UnsafeRawBufferPointer(start: mapping.pointer + offset, count: count))
        }
        let outcome = systemCall {
            pread(
                slice.fileDescriptor, scratch.baseAddress, min(count, scratch.count),
                off_t(offset))
        }
        guard case .done(let read) = outcome, read > 0 else { return outcome }
        return write(UnsafeRawBufferPointer(rebasing: scratch[..<read]))
    }
}
