import Glibc

extension Directories {
    /// Bytes that are others after each boot of the system (proc_sys_kernel(5), `boot_id`).
    public static func bootIdentity() throws(StorageError) -> [UInt8] {
        let path = "/proc/sys/kernel/random/boot_id"
        let fd = Int32(try retry(path, "open") { Int(open(path, O_RDONLY | O_CLOEXEC)) })
        defer { close(fd) }
        var bytes = [UInt8](repeating: 0, count: 64)
        // The file says that it is empty, so its end is where reading ends.
        let count = try bytes.withUnsafeMutableBufferPointer { buffer throws(StorageError) in
            try readFully(fd, into: UnsafeMutableRawBufferPointer(buffer), at: 0, path: path)
        }
        return Array(bytes.prefix(count))
    }
}
