import Glibc

extension DirectoryLock {
    /// Whether a process of this machine holds the lock of `directory`, found out without touching
    /// it, from proc(5)'s `locks`. That shows no holder in another container.
    public static func isHeld(_ directory: String) throws(StorageError) -> Bool {
        let path = directory + "/lock"
        var status = stat()
        do throws(StorageError) {
            _ = try retry(path, "stat") { Int(lstat(path, &status)) }
        } catch {
            if case .missing = error { return false }
            throw error
        }
        let locks = try readToEnd("/proc/locks")
        // MAJOR:MINOR:INODE is the sixth column of a lock, the seventh of one that waits for it.
        return String(decoding: locks, as: UTF8.self).split(separator: "\n").contains { line in
            let columns = line.split(separator: " ")
            return columns.contains("FLOCK") && !columns.contains("->")
                && columns.contains { $0.hasSuffix(":\(status.st_ino)") }
        }
    }
}
