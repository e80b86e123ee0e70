import CPlatform
import Glibc

/// An open file. Every call of this module that changes a file goes through here or `Directories`,
/// so that the tests' library can make each of them fail. Used by one owner at a time.
final class StorageFile {
    /// The file's name, for messages.
    var path: String
    let fileDescriptor: Int32

    init(path: String, fileDescriptor: Int32) {
        self.path = path
        self.fileDescriptor = fileDescriptor
    }

    deinit { close(fileDescriptor) }

    /// Opens a file or directory; what it makes has mode 0600. A symbolic link is not followed.
    static func open(_ path: String, _ flags: Int32) throws(StorageError) -> StorageFile {
        let fd = try retry(path, "open") {
            Int(Glibc.open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600))
        }
        return StorageFile(path: path, fileDescriptor: Int32(fd))
    }

    /// Makes a file that does not exist; a leftover of this name is removed first.
    static func createAnew(_ path: String) throws(StorageError) -> StorageFile {
        let flags = O_RDWR | O_CREAT | O_EXCL
        do {
            return try open(path, flags)
        } catch .failed(_, _, EEXIST) {
            try Directories.removeFile(path)
            return try open(path, flags)
        }
    }

    var byteCount: Int {
        get throws(StorageError) {
            var status = stat()
            _ = try retry(path, "stat") { Int(fstat(fileDescriptor, &status)) }
            return status.st_size
        }
    }

    /// Writes all of `bytes` at `offset`; after an error any part of them may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = try retry(path, "write") {
                pwrite(fileDescriptor, rest.baseAddress, rest.count, offset + done)
            }
            // Nothing written and no error: going on would spin.
            guard count > 0 else { throw .failed(path: path, operation: "write", code: EIO) }
            done += count
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
        try bytes.withUnsafeBufferPointer { buffer throws(StorageError) in
            try write(UnsafeRawBufferPointer(buffer), at: offset)
        }
    }

    /// Fills `bytes` from `offset` on, and returns how many there were before the file's end.
    func read(
        into bytes: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        try readFully(fileDescriptor, into: bytes, at: offset, path: path)
    }

    /// The whole file.
    func readAll() throws(StorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: try byteCount)
        let count = try bytes.withUnsafeMutableBufferPointer { buffer throws(StorageError) in
            try read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Makes what is read next come from the disk: the page cache may hold what a failed sync did
    /// not write. Where that cannot be, does nothing.
    func forgetCache() {
        _ = posix_fadvise(fileDescriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// Makes contents and size last; with `metadata`, everything else that `stat` shows too.
    func sync(metadata: Bool) throws(StorageError) {
        do {
            _ = try retry(path, "sync") {
                Int(metadata ? fsync(fileDescriptor) : fdatasync(fileDescriptor))
            }
        } catch .failed(_, _, let code) {
            throw .syncFailed(path: path, code: code)
        } catch .noSpace {
            throw .syncFailed(path: path, code: ENOSPC)
        }
    }

    func truncate(to byteCount: Int) throws(StorageError) {
        _ = try retry(path, "truncate") { Int(ftruncate(fileDescriptor, byteCount)) }
    }

    /// Makes writes go past the page cache, or not; returns whether the file system takes that.
    func setDirect(_ isDirect: Bool) -> Bool {
        let flags = fcntl(fileDescriptor, F_GETFL)
        let wanted = isDirect ? flags | platform_direct() : flags & ~platform_direct()
        return fcntl(fileDescriptor, F_SETFL, wanted) == 0
    }

    /// Reserves blocks for `range`. Where the file system cannot, writing finds out by itself.
    func allocate(_ range: Range<Int>, keepingSize: Bool) throws(StorageError) {
        guard !range.isEmpty else { return }
        do {
            _ = try retry(path, "allocate") {
                Int(
                    platform_allocate(
                        fileDescriptor, keepingSize ? 1 : 0, range.lowerBound, range.count))
            }
        } catch .failed(_, _, EOPNOTSUPP) {
            return
        }
    }
}

/// Fills `bytes` from a file's `offset` on, and returns how many there were before its end.
func readFully(
    _ fd: Int32, into bytes: UnsafeMutableRawBufferPointer, at offset: Int, path: String
) throws(StorageError) -> Int {
    var done = 0
    while done < bytes.count {
        let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
        let count = try retry(path, "read") {
            pread(fd, rest.baseAddress, rest.count, offset + done)
        }
        if count == 0 { break }
        done += count
    }
    return done
}

/// Makes a system call until no signal interrupts it.
func retry(
    _ path: String, _ operation: String, _ call: () -> Int
) throws(StorageError) -> Int {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw .of(code, path: path, operation: operation) }
    }
}
