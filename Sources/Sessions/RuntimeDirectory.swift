import Glibc

/// The directory that holds the sessions' tensors while the service runs, locked by one process.
///
/// Constant after its making; its methods may be called from any thread.
final class RuntimeDirectory: Sendable {
    private let path: String
    private let lockDescriptor: Int32

    /// Makes the directory, takes its lock, and clears what a process before left in it.
    init(_ path: String) throws(SessionStore.StartError) {
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .unusableDirectory(path: path, reason: String(cString: strerror(errno)))
        }
        let lockPath = path + "/lock"
        lockDescriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lockDescriptor >= 0 else {
            throw .unusableDirectory(path: lockPath, reason: String(cString: strerror(errno)))
        }
        guard flock(lockDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(lockDescriptor)
            throw .directoryInUse(path: path)
        }
        for name in RuntimeDirectory.entries(of: path) where name.contains("@") {
            removeSessionDirectory("\(path)/\(name)")
        }
    }

    deinit { close(lockDescriptor) }

    /// - Returns: the path of the new directory.
    func makeSessionDirectory(_ name: String) throws(SessionError) -> String {
        let directory = "\(path)/\(name)"
        guard mkdir(directory, 0o700) == 0 else {
            throw .insufficientStorage(
                detail: "creating \(directory): \(String(cString: strerror(errno)))")
        }
        return directory
    }

    /// Removes a session's directory with what is in it; open files live on until they are closed.
    func removeSessionDirectory(_ directory: String) {
        for name in RuntimeDirectory.entries(of: directory) { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }

    private static func entries(of directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
