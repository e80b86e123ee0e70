import Glibc

/// A place in pieces of memory that are to be written in order.
struct PieceCursor {
    private let pieces: UnsafeBufferPointer<iovec>
    /// The piece that the place is in; never an empty one.
    private var index = 0
    /// Of that one, how many bytes are passed.
    private var passed = 0

    init(_ pieces: UnsafeBufferPointer<iovec>) {
        self.pieces = pieces
        advance(by: 0)
    }

    var isAtEnd: Bool { index == pieces.count }

    /// The next bytes in one place: where they lie, if at least `count` lie together; else up to
    /// `count` of them, copied into `room`, which must be as large.
    func next(
        _ count: Int, joinedIn room: UnsafeMutableRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let first = rest(of: index, from: passed)
        if first.count >= count || index + 1 == pieces.count { return first }
        var joined = 0
        var skipped = passed
        for piece in index..<pieces.count where joined < count {
            let bytes = rest(of: piece, from: skipped).prefix(count - joined)
            room[joined...].copyBytes(from: bytes)
            joined += bytes.count
            skipped = 0
        }
        return UnsafeRawBufferPointer(rebasing: room[..<joined])
    }

    mutating func advance(by count: Int) {
        passed += count
        while index < pieces.count, passed >= pieces[index].iov_len {
            passed -= pieces[index].iov_len
            index += 1
        }
    }

    private func rest(of piece: Int, from start: Int) -> UnsafeRawBufferPointer {
        let bytes = UnsafeRawBufferPointer(
            start: pieces[piece].iov_base, count: pieces[piece].iov_len)
        return UnsafeRawBufferPointer(rebasing: bytes[start...])
    }
}
