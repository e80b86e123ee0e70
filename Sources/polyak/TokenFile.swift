import Foundation
import Service
import ServiceLimits

/// The file that says who may use the service.
///
/// It must be a regular file, at the end of symbolic links or not (Kubernetes mounts secrets as
/// links), of this user or of root. What others may do with a file of this user's is nothing, as
/// ssh asks of its keys; a file of root's may be read by others, because then an administrator
/// decided so (Kubernetes mounts secrets 0644 unless it is told otherwise), but not written.
struct TokenFile: Sendable {
    let path: String
    let limits: Limits

    /// Reads it whole, and refuses all of it if a line is wrong.
    func read() throws(TokenFileError) -> AccessList {
        try parse(try content())
    }

    /// Adds a line, after a look at whether the file would be right with it; a file that is
    /// missing is made, for this user alone.
    func append(_ line: String) throws(TokenFileError) {
        var text = ""
        if access(path, F_OK) == 0 { text = try content() }
        let addition = (text.isEmpty || text.hasSuffix("\n") ? "" : "\n") + line
        _ = try parse(text + addition)
        let fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw systemError() }
        defer { close(fd) }
        let bytes = Array(addition.utf8)
        guard write(fd, bytes, bytes.count) == bytes.count, fsync(fd) == 0 else {
            throw systemError()
        }
    }

    private func parse(_ text: String) throws(TokenFileError) -> AccessList {
        do throws(AccessListError) {
            return try AccessList(parsing: text, maximumCount: limits.identities)
        } catch {
            throw .malformed(path: path, error)
        }
    }

    private func content() throws(TokenFileError) -> String {
        // O_NONBLOCK: a named pipe is refused below, and must not be waited for here.
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { throw systemError() }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw systemError() }
        try check(status)
        let data: Data?
        do {
            data = try FileHandle(fileDescriptor: fd).read(upToCount: maximumByteCount + 1)
        } catch {
            throw .unreadable(path: path, reason: "\(error)")
        }
        let bytes = data ?? Data()
        guard bytes.count <= maximumByteCount else {
            throw .tooLarge(path: path, limit: maximumByteCount)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .notText(path: path)
        }
        return text
    }

    private func check(_ status: stat) throws(TokenFileError) {
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        let user = geteuid()
        guard status.st_uid == user || status.st_uid == 0 else {
            throw .foreign(path: path, owner: status.st_uid, user: user)
        }
        let forbidden: mode_t =
            status.st_uid == user ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH
        guard status.st_mode & forbidden == 0 else {
            throw .exposed(
                path: path, mode: status.st_mode & 0o7777,
                fix: status.st_uid == user ? "chmod 600" : "chmod go-w")
        }
    }

    /// The most bytes that are read: an identity's line has at most 330, and there are comments.
    private var maximumByteCount: Int { limits.identities * 1024 }

    private func systemError() -> TokenFileError {
        .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
}

/// Why a token file cannot be used; each message names the fix, and none a line's content.
enum TokenFileError: Error, Equatable {
    case unreadable(path: String, reason: String)
    case notAFile(path: String)
    case foreign(path: String, owner: uid_t, user: uid_t)
    case exposed(path: String, mode: mode_t, fix: String)
    case tooLarge(path: String, limit: Int)
    case notText(path: String)
    case malformed(path: String, AccessListError)
}

extension TokenFileError: CustomStringConvertible {
    var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .notAFile(let path): "\(path): is no regular file"
        case .foreign(let path, let owner, let user):
            "\(path): belongs to user \(owner), who could let anybody in: "
                + "chown it to \(user) or to root"
        case .exposed(let path, let mode, let fix):
            "\(path): others may read or write it (mode 0\(String(mode, radix: 8))): "
                + "\(fix) \(path)"
        case .tooLarge(let path, let limit):
            "\(path): is longer than \(limit) bytes, which the setting identities allows"
        case .notText(let path): "\(path): is not UTF-8"
        case .malformed(let path, let error): "\(path): \(error)"
        }
    }
}
