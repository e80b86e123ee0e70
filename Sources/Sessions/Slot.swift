import Glibc
import Synchronization

/// A file of the runtime directory that holds one revision of one average, mapped all its life.
///
/// The address range is reserved at once, the file's blocks only as they are asked for
/// (`reserve`), because touching a mapped page that a full tmpfs cannot back kills the process.
/// The file's name stays until `discard`, so that a process after this one finds the published
/// slots.
///
/// `@unchecked Sendable`: the bytes are written by the one upload whose turn it is, while the slot
/// is nobody's current revision and has no readers, and are unchanged otherwise; the rest is
/// atomic, locked or constant.
final class Slot: @unchecked Sendable {
    /// Blocks are reserved in pieces of this size.
    private static let segmentBytes = 2 * 1024 * 1024

    /// The number in its name, which no other slot of the average has had.
    let number: Int
    let path: String
    let fileDescriptor: Int32
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    let readers = SlotReaders()
    private let isDiscarded = Atomic<Bool>(false)
    /// One flag per segment; changed only by the upload that owns the slot.
    private var reserved: [Bool]

    /// Where the slot file of this number lies.
    static func path(in directory: String, average: String, number: Int) -> String {
        "\(directory)/\(average).\(number).safetensors"
    }

    /// Creates the file, of which nothing is reserved yet.
    init(creating path: String, number: Int, byteCount: Int) throws(SessionError) {
        precondition(byteCount > 0)
        let fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard fd >= 0 else { throw Slot.failure("creating", path) }
        guard ftruncate(fd, byteCount) == 0, let base = Slot.map(fd, byteCount) else {
            let failure = Slot.failure("mapping", path)
            close(fd)
            unlink(path)
            throw failure
        }
        self.number = number
        self.path = path
        self.byteCount = byteCount
        self.base = base
        fileDescriptor = fd
        let segments = (byteCount + Slot.segmentBytes - 1) / Slot.segmentBytes
        reserved = Array(repeating: false, count: segments)
    }

    /// Opens a slot that a process before this one completed; nil when it is missing, or of
    /// another size.
    init?(opening path: String, number: Int, byteCount: Int) {
        let fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard fd >= 0 else { return nil }
        var status = stat()
        // A hole would have no memory behind it, and touching it on a full tmpfs would kill us.
        guard fstat(fd, &status) == 0, status.st_size == byteCount,
            posix_fallocate(fd, 0, byteCount) == 0, let base = Slot.map(fd, byteCount)
        else {
            close(fd)
            return nil
        }
        self.number = number
        self.path = path
        self.byteCount = byteCount
        self.base = base
        fileDescriptor = fd
        reserved = [true]
        isWhollyReserved = true
        // A reader of that process may have the pages in its socket's buffer.
        readers.abandon()
    }

    deinit {
        if !isDiscarded.load(ordering: .relaxed) { release() }
    }

    private static func map(_ fd: Int32, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        return base == MAP_FAILED ? nil : base
    }

    private static func failure(_ operation: String, _ path: String) -> SessionError {
        .system(errno, "\(operation) \(path)")
    }

    /// Removes the file, its mapping and its descriptor, all of which nobody may use any more; its
    /// pages live as long as sockets refer to them. May take long: not for a lane.
    func discard() {
        precondition(!readers.isSending, "\(path) is discarded while it is read")
        guard !isDiscarded.exchange(true, ordering: .relaxed) else { return }
        unlink(path)
        release()
    }

    private func release() {
        munmap(base, byteCount)
        close(fileDescriptor)
    }

    // MARK: Blocks

    /// Whether every block of the file is backed by memory.
    private(set) var isWhollyReserved = false

    /// Backs `range`, rounded up to segments, with memory and faults it in, so that the fold does
    /// not pay for it. May take long: not for a lane.
    func reserve(_ range: Range<Int>) throws(SessionError) {
        guard !range.isEmpty, !isWhollyReserved else { return }
        for segment in segments(of: range) where !reserved[segment] {
            let start = segment * Slot.segmentBytes
            let count = min(Slot.segmentBytes, byteCount - start)
            let code = posix_fallocate(fileDescriptor, start, count)
            guard code == 0 else {
                throw .system(code, "taking \(byteCount) bytes of the runtime directory")
            }
            // Older kernels lack this advice; then the first fold faults the pages in.
            _ = madvise(base + start, count, Int32(MADV_POPULATE_WRITE))
            reserved[segment] = true
        }
        isWhollyReserved = reserved.allSatisfy { $0 }
    }

    private func segments(of range: Range<Int>) -> ClosedRange<Int> {
        range.lowerBound / Slot.segmentBytes...(range.upperBound - 1) / Slot.segmentBytes
    }

    /// Bytes of memory that the file holds.
    var reservedByteCount: Int {
        if isWhollyReserved { return byteCount }
        return min(byteCount, reserved.count { $0 } * Slot.segmentBytes)
    }
}
