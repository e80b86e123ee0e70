import Glibc

extension Directories {
    /// Bytes that are others after each boot of the system (proc_sys_kernel(5), `boot_id`).
    public static func bootIdentity() throws(StorageError) -> [UInt8] {
        try readToEnd("/proc/sys/kernel/random/boot_id")
    }
}

/// The contents of a file that does not know its length, as those of proc(5).
func readToEnd(_ path: String) throws(StorageError) -> [UInt8] {
    let fd = Int32(try retry(path, "open") { Int(open(path, O_RDONLY | O_CLOEXEC)) })
    defer { close(fd) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = try retry(path, "read") { read(fd, &piece, piece.count) }
        if count == 0 { return bytes }
        bytes += piece.prefix(count)
    }
}
