import Glibc

/// A file that says who may use the service, or that proves who the service is.
///
/// It must be a regular file, at the end of symbolic links or not (Kubernetes mounts secrets as
/// links), and keep to its `SecretFileRule`.
public struct SecretFile: Sendable {
    /// Where it is.
    public let path: String
    /// Whose it may be, and who else may read and write it.
    public let rule: SecretFileRule
    /// The most bytes it may have.
    public let maximumByteCount: Int

    public init(path: String, rule: SecretFileRule, maximumByteCount: Int) {
        self.path = path
        self.rule = rule
        self.maximumByteCount = maximumByteCount
    }

    /// Reads it whole.
    public func read() throws(SecretFileError) -> [UInt8] {
        // O_NONBLOCK: a named pipe is refused below, and must not be waited for here.
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { throw systemError() }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw systemError() }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        try check(owner: status.st_uid, mode: status.st_mode & 0o7777)
        return try content(fd)
    }

    private func check(owner: uid_t, mode: mode_t) throws(SecretFileError) {
        let user = geteuid()
        let isOwn = owner == user
        guard isOwn || owner == 0 || rule.allowsAnyOwner else {
            throw .foreign(path: path, owner: owner, user: user)
        }
        let forbidden = isOwn ? rule.forbiddenOfOwn : rule.forbiddenOfOthers
        guard mode & forbidden == 0 else {
            throw .exposed(path: path, mode: mode, fix: isOwn ? "chmod 600" : rule.fixOfOthers)
        }
    }

    private func content(_ fd: Int32) throws(SecretFileError) -> [UInt8] {
        // One more than allowed, to see whether there is more; only what is used is touched.
        let capacity = maximumByteCount + 1
        var failure: SecretFileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            while count < capacity {
                let room = UnsafeMutableBufferPointer(rebasing: buffer[count...])
                let read = Glibc.read(fd, room.baseAddress, room.count)
                if read < 0, errno == EINTR { continue }
                if read < 0 { failure = systemError() }
                guard read > 0 else { return }
                count += read
            }
        }
        if let failure { throw failure }
        guard bytes.count <= maximumByteCount else {
            throw .tooLarge(path: path, limit: maximumByteCount)
        }
        return bytes
    }

    private func systemError() -> SecretFileError {
        let denied = errno == EACCES
        let reason = String(cString: strerror(errno))
        let fix = ": let user \(geteuid()), whom the service runs as, read it"
        return .unreadable(path: path, reason: denied ? reason + fix : reason)
    }
}

/// Whose a secret file may be, and who else may read and write it.
public struct SecretFileRule: Sendable {
    /// Whether it may be of a user who is neither the service's nor root.
    let allowsAnyOwner: Bool
    /// Bits that the mode of a file of the service's own user must not have.
    let forbiddenOfOwn: mode_t
    /// The same of a file of anybody else's.
    let forbiddenOfOthers: mode_t
    /// What makes the mode of somebody else's file right.
    let fixOfOthers: String

    /// A list of who may use the service, which holds no secret that could be used.
    ///
    /// Whoever can write it lets anybody in: that is this user, who closes it to others as ssh asks
    /// of keys, or root. What others may do with a file of root's is read it, because then an
    /// administrator decided so (Kubernetes mounts secrets 0644 unless it is told otherwise).
    public static let accessList = SecretFileRule(
        allowsAnyOwner: false, forbiddenOfOwn: S_IRWXG | S_IRWXO,
        forbiddenOfOthers: S_IWGRP | S_IWOTH, fixOfOthers: "chmod go-w")

    /// A private key.
    ///
    /// Whoever can read it can pass for the service, so it is closed to all but its owner and its
    /// group, which is how Debian keeps keys for a service (0640 root:ssl-cert). Its owner does not
    /// matter: a key that somebody changed does not fit the certificate any more.
    public static let privateKey = SecretFileRule(
        allowsAnyOwner: true, forbiddenOfOwn: S_IRWXO, forbiddenOfOthers: S_IRWXO,
        fixOfOthers: "chmod o=")
}
