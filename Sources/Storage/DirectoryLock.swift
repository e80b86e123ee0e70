import Glibc

/// Keeps other processes out of a directory while it lives: flock(2) on the file `lock` in it,
/// which the kernel lets go of when the process ends, however it ends.
public final class DirectoryLock: Sendable {
    private let fileDescriptor: Int32

    /// Throws `.inUse` at once if the lock is held.
    public init(directory: String) throws(StorageError) {
        let path = directory + "/lock"
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        let fd = Int32(try retry(path, "open") { Int(open(path, flags, 0o600)) })
        do throws(StorageError) {
            _ = try retry(path, "lock") { Int(flock(fd, LOCK_EX | LOCK_NB)) }
        } catch {
            let holder = Self.holder(fd)
            close(fd)
            guard case .failed(_, _, EWOULDBLOCK) = error else { throw error }
            throw .inUse(path: directory, by: holder)
        }
        fileDescriptor = fd
        // The number only serves the message above, so a full disk is no reason to stop here.
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(fd, 0) == 0 { _ = pwrite(fd, text, text.count, 0) }
    }

    deinit { close(fileDescriptor) }

    private static func holder(_ fd: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 32)
        let count = pread(fd, &text, text.count, 0)
        let number = Int32(String(decoding: text.prefix(max(count, 0)).dropLast(), as: UTF8.self))
        return number.map { "process \($0)" } ?? "another process"
    }
}
