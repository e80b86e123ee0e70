import Glibc
import Synchronization

/// A file of the runtime directory that holds one revision of one average, mapped for its whole life.
///
/// The address range is reserved at once, the file's blocks only as they are asked for
/// (`reserve`), because touching a mapped page that a full tmpfs cannot back kills the process.
/// The file and the mapping go with the last reference; who still reads it keeps it alive.
///
/// `@unchecked Sendable`: the bytes are written by the one upload whose turn it is, while the slot
/// is nobody's current revision and has no pins, and are unchanged otherwise; the rest is atomic
/// or constant.
final class Slot: @unchecked Sendable {
    /// Blocks are reserved in pieces of this size.
    private static let segmentBytes = 4 * 1024 * 1024

    let path: String
    let fileDescriptor: Int32
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    private let pins = Atomic<Int>(0)
    private let mayStillBeRead = Atomic<Bool>(false)
    private let isLinked = Atomic<Bool>(true)
    /// One flag per segment; changed only by the upload that owns the slot.
    private var reserved: [Bool]

    /// Creates the file, of which nothing is reserved yet.
    init(path: String, byteCount: Int) throws(SessionError) {
        precondition(byteCount > 0)
        let fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard fd >= 0 else { throw .insufficientStorage(detail: "creating \(path): \(Slot.lastError())") }
        guard ftruncate(fd, byteCount) == 0,
            let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
            base != MAP_FAILED
        else {
            let reason = Slot.lastError()
            close(fd)
            unlink(path)
            throw .insufficientStorage(detail: "mapping \(byteCount) bytes of \(path): \(reason)")
        }
        self.path = path
        self.byteCount = byteCount
        self.base = base
        fileDescriptor = fd
        let segments = (byteCount + Slot.segmentBytes - 1) / Slot.segmentBytes
        reserved = Array(repeating: false, count: segments)
    }

    deinit {
        munmap(base, byteCount)
        close(fileDescriptor)
        discard()
    }

    /// Removes the file's name; its bytes live until the last reference goes.
    func discard() {
        if isLinked.exchange(false, ordering: .relaxed) { unlink(path) }
    }

    // MARK: Blocks

    /// Whether every block of the file is backed by memory.
    private(set) var isWhollyReserved = false

    /// Backs `range`, rounded up to segments, with memory and faults it in, so that the fold does
    /// not pay for it. May take long: not for a lane.
    func reserve(_ range: Range<Int>) throws(SessionError) {
        guard !range.isEmpty else { return }
        for segment in segments(of: range) where !reserved[segment] {
            let start = segment * Slot.segmentBytes
            let count = min(Slot.segmentBytes, byteCount - start)
            let code = posix_fallocate(fileDescriptor, start, count)
            guard code == 0 else {
                throw .insufficientStorage(
                    detail: "the runtime directory has no room for \(byteCount) bytes: "
                        + String(cString: strerror(code)))
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
        reserved.enumerated().reduce(0) { sum, entry in
            let start = entry.offset * Slot.segmentBytes
            return sum + (entry.element ? min(Slot.segmentBytes, byteCount - start) : 0)
        }
    }

    // MARK: Readers

    /// Whether a reader may still refer to the bytes.
    var isPinned: Bool { pins.load(ordering: .acquiring) > 0 }

    /// Whether a reader was lost sight of that may refer to the bytes for ever.
    var isAbandoned: Bool { mayStillBeRead.load(ordering: .acquiring) }

    fileprivate func addPin() { pins.add(1, ordering: .relaxed) }

    fileprivate func removePin() { pins.subtract(1, ordering: .releasing) }

    fileprivate func abandon() { mayStillBeRead.store(true, ordering: .releasing) }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}

/// Holds a slot's bytes as they are while it is alive. May be used from any thread.
public final class SlotPin: Sendable {
    let slot: Slot

    init(_ slot: Slot) {
        self.slot = slot
        slot.addPin()
    }

    deinit { slot.removePin() }

    /// A reader may refer to the bytes even after this pin is gone: the file is not written again.
    public func abandoned() { slot.abandon() }
}
