import CPlatform
import Glibc

/// What is done with directories. From any thread.
public enum Directories {
    /// Makes a directory of mode 0700 in one that exists; that it exists already is as good.
    public static func create(_ path: String) throws(StorageError) {
        do {
            try FileSystem.createDirectory(path)
        } catch .failed(_, _, EEXIST) {
            // A file or a link of this name makes this throw ENOTDIR or ELOOP.
            _ = try StorageFile.open(path, O_RDONLY | O_DIRECTORY)
        }
    }

    /// The names in a directory, sorted.
    public static func entries(of path: String) throws(StorageError) -> [String] {
        let fd = Int32(
            try retry(path, "open") {
                Int(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW))
            })
        guard let stream = fdopendir(fd) else {
            let code = errno
            close(fd)
            throw .of(code, path: path, operation: "open")
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw .of(errno, path: path, operation: "read") }
        return names.sorted()
    }

    /// Removes a file; that there is none is as good.
    public static func removeFile(_ path: String) throws(StorageError) {
        try FileSystem.removeFile(path)
    }

    /// Gives a file or directory another name in the same file system, over a file of that name.
    public static func rename(_ path: String, to destination: String) throws(StorageError) {
        try FileSystem.rename(path, to: destination)
    }

    /// Removes a directory and what is in it; that there is none is as good. Links are removed, not
    /// followed. An error leaves a part, and removing that again goes on.
    public static func removeTree(_ path: String) throws(StorageError) {
        let names: [String]
        do {
            names = try entries(of: path)
        } catch .missing {
            return
        }
        for name in names {
            let inner = path + "/" + name
            do {
                try FileSystem.removeFile(inner)
            } catch .failed(_, _, EISDIR) {
                try removeTree(inner)
            }
        }
        try FileSystem.removeDirectory(path)
    }

    /// Makes the names in a directory outlast a power cut.
    public static func sync(_ path: String) throws(StorageError) {
        try FileSystem.syncDirectory(path)
    }

    /// Bytes that this user can still write to the file system of `path`.
    public static func freeBytes(_ path: String) throws(StorageError) -> Int {
        var space = statvfs()
        _ = try retry(path, "stat") { Int(statvfs(path, &space)) }
        return Int(space.f_bavail) * Int(space.f_frsize)
    }

    /// Whether the file system of `path` is memory, which a power cut empties.
    public static func isMemoryBacked(_ path: String) throws(StorageError) -> Bool {
        var space = statfs()
        _ = try retry(path, "stat") { Int(statfs(path, &space)) }
        return [Int(TMPFS_MAGIC), Int(RAMFS_MAGIC)].contains(Int(space.f_type))
    }
}
