import Foundation
import SecretFiles
import Service
import ServiceLimits

/// The file that says who may use the service; `SecretFileRule.accessList` says whose it may be.
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
        let file = SecretFile(
            path: path, rule: .accessList, maximumByteCount: maximumByteCount)
        let bytes: [UInt8]
        do throws(SecretFileError) {
            bytes = try file.read()
        } catch {
            throw .unusable(error)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .notText(path: path)
        }
        return text
    }

    /// The most bytes that are read: an identity's line has at most 330, and there are comments.
    private var maximumByteCount: Int { limits.identities * 1024 }

    private func systemError() -> TokenFileError {
        .unusable(.unreadable(path: path, reason: String(cString: strerror(errno))))
    }
}

/// Why a token file cannot be used; each message names the fix, and none a line's content.
enum TokenFileError: Error, Equatable {
    case unusable(SecretFileError)
    case notText(path: String)
    case malformed(path: String, AccessListError)
}

extension TokenFileError: CustomStringConvertible {
    var description: String {
        switch self {
        case .unusable(.tooLarge(let path, let limit)):
            "\(path): is longer than \(limit) bytes, which the setting identities allows"
        case .unusable(let error): "\(error)"
        case .notText(let path): "\(path): is not UTF-8"
        case .malformed(let path, let error): "\(path): \(error)"
        }
    }
}
