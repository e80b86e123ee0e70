import CPlatform
import Glibc

/// What is done with directories and the names in them. From any thread.
public enum Directories {
    /// Makes a directory of mode 0700 in one that exists; that it exists already is as good.
    public static func create(_ path: String) throws(StorageError) {
        do {
            _ = try retry(path, "create") { Int(mkdir(path, 0o700)) }
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
        do {
            _ = try retry(path, "remove") { Int(unlink(path)) }
        } catch .missing {
            return
        }
    }

    /// Gives a file another name in the same file system, over a file of that name.
    static func rename(_ path: String, to destination: String) throws(StorageError) {
        _ = try retry(destination, "rename") { Int(Glibc.rename(path, destination)) }
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
                try removeFile(inner)
            } catch .failed(_, _, EISDIR) {
                try removeTree(inner)
            }
        }
        do {
            _ = try retry(path, "remove") { Int(rmdir(path)) }
        } catch .missing {
            return
        }
    }

    /// Makes the names in a directory outlast a power cut.
    static func sync(_ path: String) throws(StorageError) {
        try StorageFile.open(path, O_RDONLY | O_DIRECTORY).sync(metadata: true)
    }

    /// The directory that a file's name lies in.
    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
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
