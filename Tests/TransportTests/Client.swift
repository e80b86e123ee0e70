import CPlatform
import Foundation
import Glibc
import TestSupport
import Transport

struct ClientError: Error, CustomStringConvertible {
    let call: String
    let code: Int32
    var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// A blocking socket of the test's side; every call gives up after `patience`.
///
/// `@unchecked Sendable`: a test may send and receive from two threads, as sockets allow.
final class Client: @unchecked Sendable {
    let fd: Int32
    let tls: ClientTLS?
    private var isClosed = false

    /// Connects; under TLS the handshake is made too.
    init(_ address: ListenAddress, tls options: ClientTLS.Options = .init()) throws {
        switch address {
        case .tcp(_, let port), .tls(_, let port):
            fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = in_port_t(port).bigEndian
            target.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            try Self.connect(fd, target)
        case .unix(let path):
            fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var target = sockaddr_un()
            target.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: path.utf8) }
            try Self.connect(fd, target)
        }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        if case .tls = address {
            _ = fcntl(fd, F_SETFL, O_NONBLOCK)
            do {
                tls = try ClientTLS(fd: fd, options)
            } catch {
                // The server waits for the end of one that it refused.
                Glibc.close(fd)
                throw error
            }
        } else {
            tls = nil
        }
    }

    deinit { close() }

    private static func connect<Address>(_ fd: Int32, _ address: Address) throws {
        let code = withUnsafePointer(to: address) { pointer in
            Glibc.connect(
                fd, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<Address>.size))
        }
        guard code == 0 else { throw ClientError(call: "connect", code: errno) }
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = try bytes.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
                if let tls { return try tls.write(rest) }
                return uninterrupted {
                    Glibc.send(fd, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                }
            }
            guard count > 0 else { throw ClientError(call: "send", code: errno) }
            sent += count
        }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// What comes next, at most `limit` bytes; empty at the end.
    func receiveSome(_ limit: Int = 65536) throws -> [UInt8] {
        var failure: Int32 = 0
        let bytes = try [UInt8](unsafeUninitializedCapacity: limit) { room, count in
            if let tls {
                let room = UnsafeMutableRawBufferPointer(room)
                count = try tls.read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<limit]))
                return
            }
            let received = uninterrupted { recv(fd, room.baseAddress, limit, 0) }
            if received < 0 { failure = errno }
            count = max(received, 0)
        }
        guard failure == 0 else { throw ClientError(call: "recv", code: failure) }
        return bytes
    }

    /// Exactly `count` bytes, or fewer if the peer ends before.
    func receive(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let some = try receiveSome(min(count - bytes.count, 1 << 18))
            if some.isEmpty { break }
            bytes += some
        }
        return bytes
    }

    func receiveToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let some = try receiveSome()
            if some.isEmpty { return bytes }
            bytes += some
        }
    }

    func line() throws -> String {
        var bytes: [UInt8] = []
        while let byte = try receive(1).first, byte != 0x0A { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether something can be read within `milliseconds`.
    func isReadable(within milliseconds: Int32) -> Bool {
        if let tls { return tls.isReadable(within: milliseconds) }
        var wanted = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return uninterrupted { poll(&wanted, 1, milliseconds) } > 0
    }

    func endSending() {
        tls?.endWriting()
        shutdown(fd, Int32(SHUT_WR))
    }

    /// Closes so that the other side sees a reset (TCP).
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        Glibc.close(fd)
    }
}
