import CPlatform
import Glibc

/// A bound, listening socket. Closed, and its socket file removed, when it is let go of.
final class Listener: Sendable {
    let fd: Int32
    /// With the port that the system chose.
    let address: ListenAddress
    /// The socket file as it was when bound, so that only our own is removed.
    private let file: FileIdentity?

    init(_ address: ListenAddress) throws(TransportError) {
        switch address {
        case .tcp(let host, let port), .tls(let host, let port):
            let target = try SocketAddress(host: host, port: port, for: address)
            let fd = try Self.open(family: target.family)
            // Connections of an earlier process in TIME_WAIT must not keep the port.
            infallible("setsockopt") {
                Socket.set(fd, level: SOL_SOCKET, option: SO_REUSEADDR, to: 1)
            }
            try Self.bindAndListen(fd, target, as: address)
            let bound = SocketAddress { pointer, length in
                infallible("getsockname") { getsockname(fd, pointer, length) }
            }
            self.fd = fd
            self.address =
                address.isEncrypted
                ? .tls(host: host, port: bound.port) : .tcp(host: host, port: bound.port)
            self.file = nil
        case .unix(let path):
            try Self.removeStaleSocket(at: path, for: address)
            let fd = try Self.open(family: AF_UNIX)
            // Linux gives the socket file this mode: unlike umask it touches no other thread, and
            // there is no moment in which others could connect.
            infallible("fchmod") { fchmod(fd, 0o600) }
            try Self.bindAndListen(fd, SocketAddress(path: path), as: address)
            self.fd = fd
            self.address = address
            self.file = FileIdentity(path: path)
        }
    }

    deinit {
        if case .unix(let path) = address, let file, FileIdentity(path: path) == file {
            unlink(path)
        }
        close(fd)
    }

    /// A socket file that nobody listens on is what a killed process left: it would make bind fail.
    private static func removeStaleSocket(
        at path: String, for address: ListenAddress
    ) throws(TransportError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocketFile(path: path) }
        let fd = try open(family: AF_UNIX)
        defer { close(fd) }
        let outcome = SocketAddress(path: path).withPointer { pointer, length in
            systemCall { Int(connect(fd, pointer, length)) }
        }
        switch outcome {
        case .failed(ECONNREFUSED): unlink(path)
        case .failed(ENOENT): break
        case .failed(let code): throw .cannotListen(address, reason: describe(code))
        // A full backlog (EAGAIN) is somebody's, too.
        case .done, .again: throw .addressInUse(address)
        }
    }

    private static func open(family: Int32) throws(TransportError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        switch systemCall({ Int(socket(family, kind, 0)) }) {
        case .done(let fd): return Int32(fd)
        case .failed(let code): throw .noResources(call: "socket", reason: describe(code))
        case .again: throw .noResources(call: "socket", reason: describe(EAGAIN))
        }
    }

    /// Closes `fd` when it throws.
    private static func bindAndListen(
        _ fd: Int32, _ target: SocketAddress, as address: ListenAddress
    ) throws(TransportError) {
        let outcome = target.withPointer { pointer, length in
            systemCall { Int(bind(fd, pointer, length)) }
        }
        var failure: Int32?
        if case .failed(let code) = outcome { failure = code }
        if failure == nil, case .failed(let code) = systemCall({ Int(listen(fd, SOMAXCONN)) }) {
            failure = code
        }
        guard let failure else { return }
        close(fd)
        if failure == EADDRINUSE { throw .addressInUse(address) }
        throw .cannotListen(address, reason: describe(failure))
    }
}

/// Tells whether a path still leads to the same file.
private struct FileIdentity: Equatable, Sendable {
    let device: UInt
    let inode: UInt

    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
    }
}
