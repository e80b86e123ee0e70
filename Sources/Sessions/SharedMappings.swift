import CPlatform
import Dispatch
import Glibc
import Synchronization

/// A memfd of a client's, mapped for reading; its size is sealed, so the pages stay there.
///
/// `@unchecked Sendable`: the address never changes and nobody here writes.
final class SharedMapping: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init?(_ fd: Int32, byteCount: Int) {
        guard byteCount > 0, let base = mmap(nil, byteCount, PROT_READ, MAP_SHARED, fd, 0),
            base != MAP_FAILED
        else { return nil }
        bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
    }

    /// Not in place: giving hundreds of megabytes back takes milliseconds, and a session is deleted
    /// on a lane.
    deinit {
        let address = UInt(bitPattern: bytes.baseAddress)
        let count = bytes.count
        DispatchQueue.global(qos: .utility).async {
            munmap(UnsafeMutableRawPointer(bitPattern: address), count)
        }
    }
}

/// The mappings of memfds that a session's trainers upload from again and again. Any thread.
///
/// Mapping and its page faults cost about a fifth of a fold, so a trainer with one memfd pays them
/// only at first. A mapping is kept from a file's second upload on: a trainer that makes a new
/// memfd for each upload would otherwise leave all of them behind in memory.
final class SharedMappings: Sendable {
    /// A mapping keeps the file's memory even after its trainer has gone, so not for long.
    static let idleTime = Duration.seconds(30)

    /// A file of the running system. The number is not used again for later memfds, since the
    /// kernel counts up.
    private struct Identity: Equatable {
        let device: UInt
        let inode: UInt
    }

    private struct Entry {
        let identity: Identity
        var mapping: SharedMapping?
        var lastUse: ContinuousClock.Instant
    }

    private let limit: Int
    /// The most recently used last.
    private let entries = Mutex<[Entry]>([])

    /// - Parameter limit: files that are remembered.
    init(limit: Int) {
        self.limit = limit
    }

    /// The file mapped for reading, or nil if it must not be.
    ///
    /// - Parameter status: what `fstat` says of `fd`.
    func mapping(of fd: Int32, _ status: stat) -> SharedMapping? {
        guard platform_keeps_size(fd) == 1 else { return nil }
        let identity = Identity(device: status.st_dev, inode: status.st_ino)
        let known = take(identity)
        var mapping = known?.mapping
        // Growing may still be allowed.
        if mapping?.bytes.count != status.st_size {
            mapping = SharedMapping(fd, byteCount: status.st_size)
        }
        put(
            Entry(
                identity: identity, mapping: known == nil ? nil : mapping,
                lastUse: .now))
        return mapping
    }

    /// Forgets files that were not used for `idleTime`.
    func dropIdle(now: ContinuousClock.Instant) {
        entries.withLock { entries in
            entries.removeAll { now - $0.lastUse >= SharedMappings.idleTime }
        }
    }

    func dropAll() {
        entries.withLock { $0 = [] }
    }

    private func take(_ identity: Identity) -> Entry? {
        entries.withLock { entries in
            entries.firstIndex { $0.identity == identity }.map { entries.remove(at: $0) }
        }
    }

    private func put(_ entry: Entry) {
        entries.withLock { entries in
            entries.append(entry)
            if entries.count > limit { entries.removeFirst(entries.count - limit) }
        }
    }
}
