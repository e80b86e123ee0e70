import Foundation
import TestSupport

/// A blocking Unix socket: a stream to a service, or a place where datagrams arrive. A wait of a
/// minute is a failure.
final class UnixClient {
    struct Failure: Error {
        var code = errno
    }

    private let fd: Int32

    init(_ path: String) throws {
        fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let status = Self.withAddress(Array(path.utf8)) { connect(fd, $0, $1) }
        guard fd >= 0, status == 0 else { throw Failure() }
        limitWaits()
    }

    /// A name that begins with NUL is an abstract one.
    init(receivingDatagramsAt name: [UInt8]) throws {
        fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        let status = Self.withAddress(name) { bind(fd, $0, $1) }
        guard fd >= 0, status == 0 else { throw Failure() }
        limitWaits()
    }

    deinit {
        close(fd)
    }

    private func limitWaits() {
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sends a request and gives what comes next.
    func exchange(_ text: String) throws -> String {
        let bytes = Array(text.utf8)
        let sent = uninterrupted { send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
        guard sent == bytes.count else {
            throw Failure()
        }
        return try receive()
    }

    /// Waits for the next bytes or datagram.
    func receive() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = uninterrupted { recv(fd, &buffer, buffer.count, 0) }
        guard count > 0 else { throw Failure() }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    private static func withAddress(
        _ name: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        // An abstract name ends with the address; a path also with the NUL that follows it.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
