public import Glibc

/// Why a secret file is not used; each message names the fix, and none the file's content.
public enum SecretFileError: Error, Equatable {
    /// The system does not let it be read.
    case unreadable(path: String, reason: String)
    /// A folder, a named pipe or a device.
    case notAFile(path: String)
    /// It is neither the service's user's nor root's.
    case foreign(path: String, owner: uid_t, user: uid_t)
    /// Others may do more with it than its rule allows.
    case exposed(path: String, mode: mode_t, fix: String)
    /// It has more bytes than it can need.
    case tooLarge(path: String, limit: Int)
}

extension SecretFileError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .notAFile(let path): "\(path): is no regular file"
        case .foreign(let path, let owner, let user):
            "\(path): belongs to user \(owner), who could change it: "
                + "chown it to \(user) or to root, or run this as user \(owner)"
        case .exposed(let path, let mode, let fix):
            "\(path): others may read or write it (mode 0\(String(mode, radix: 8))): "
                + "\(fix) \(path)"
        case .tooLarge(let path, let limit): "\(path): is longer than \(limit) bytes"
        }
    }
}
