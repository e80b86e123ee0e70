import CPlatform
import Glibc
public import Storage

/// The directory whose files trainers on this host may name instead of sending a model. Any thread.
public final class LocalFiles: Sendable {
    private let directory: String
    private let fileDescriptor: Int32

    /// - Throws: `StorageError` when there is no such directory, or the kernel is older than Linux
    ///   5.6 and cannot keep paths inside it.
    public init(directory: String) throws(StorageError) {
        let fd = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else {
            throw .failed(path: directory, operation: "opening local-files", code: errno)
        }
        let probe = platform_open_beneath(fd, ".")
        guard probe >= 0 else {
            let code = errno
            Glibc.close(fd)
            throw .failed(path: directory, operation: "opening beneath local-files", code: code)
        }
        Glibc.close(probe)
        self.directory = directory
        fileDescriptor = fd
    }

    deinit { Glibc.close(fileDescriptor) }

    /// Opens a regular file beneath the directory; no symbolic link is followed, wherever it leads.
    ///
    /// - Parameter path: relative to the directory, or absolute and beginning with its path.
    func open(_ path: String) throws(SessionError) -> ModelFile {
        var relative = path[...]
        if path.hasPrefix(directory + "/") { relative = path.dropFirst(directory.count + 1) }
        let fd = openBeneath(String(relative))
        guard fd >= 0 else { throw failure(path, errno) }
        return try ModelFile(fd, name: path, owner: ClosingDescriptor(fd))
    }

    private func openBeneath(_ path: String) -> Int32 {
        // EAGAIN: a directory was renamed meanwhile, so the kernel cannot tell (openat2(2)).
        for _ in 0..<32 {
            let fd = platform_open_beneath(fileDescriptor, path)
            if fd >= 0 || errno != EAGAIN && errno != EINTR { return fd }
        }
        return -1
    }

    private func failure(_ path: String, _ code: Int32) -> SessionError {
        let reason = String(cString: strerror(code))
        switch code {
        case EXDEV:
            return .fileForbidden(detail: "\(path) does not lie beneath the setting local-files")
        case ELOOP:
            return .fileForbidden(
                detail: "\(path) leads through a symbolic link, which is not followed")
        case EACCES, EPERM:
            return .fileForbidden(detail: "\(path): the service's user may not read it: \(reason)")
        case ENXIO: return .fileForbidden(detail: "\(path) is no regular file")
        case EMFILE, ENFILE, ENOMEM: return .storageFailed(detail: "opening \(path): \(reason)")
        default:
            return .fileNotFound(detail: "\(path) beneath the setting local-files: \(reason)")
        }
    }
}

/// Closes a descriptor with its last reference.
final class ClosingDescriptor: Sendable {
    private let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    deinit { close(number) }
}
