import Glibc

/// Why something was not stored or not read back; one case per cause.
public enum StorageError: Error, Sendable, Equatable {
    /// The file system is full or the user's quota is spent (`ENOSPC`, `EDQUOT`).
    case noSpace(path: String, operation: String)
    /// The system refused an operation for any other reason: `code` is its `errno`.
    case failed(path: String, operation: String, code: Int32)
    /// `fsync` or `fdatasync` failed. What lies on the disk is unknown, and the kernel reports it
    /// once only: a second call that succeeds proves nothing.
    case syncFailed(path: String, code: Int32)
    /// The bytes are not those that were written.
    case damaged(path: String, detail: String)
    /// A later release wrote the file; it was left as it is.
    case newerVersion(path: String, found: Int, known: Int)
    /// Another process holds the directory.
    case inUse(path: String, by: String)
    /// There is no such file or directory.
    case missing(path: String)

    /// The error that an `errno` stands for.
    static func of(_ code: Int32, path: String, operation: String) -> StorageError {
        switch code {
        case ENOSPC, EDQUOT: .noSpace(path: path, operation: operation)
        case ENOENT: .missing(path: path)
        default: .failed(path: path, operation: operation, code: code)
        }
    }
}

extension StorageError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noSpace(let path, let operation): "\(path): \(operation): no space is left"
        case .failed(let path, let operation, let code):
            "\(path): \(operation): \(String(cString: strerror(code)))"
        case .syncFailed(let path, let code):
            "\(path): cannot be synced, so what the disk holds is unknown: "
                + String(cString: strerror(code))
        case .damaged(let path, let detail): "\(path): is damaged: \(detail)"
        case .newerVersion(let path, let found, let known):
            "\(path): has version \(found), and this release knows \(known) at most: "
                + "use the release that wrote it"
        case .inUse(let path, let by): "\(path): is in use by \(by)"
        case .missing(let path): "\(path): does not exist"
        }
    }
}
