import CPlatform
import Foundation
import Glibc
import HTTPWire
import ServiceLimits
import Testing
import Transport

@Suite struct ListenerTests {
    static func server(_ addresses: [ListenAddress]) throws(TransportError) -> Server {
        try Server(
            listen: addresses, laneCount: 1, limits: .patient, logger: quietLogger(),
            makeEngine: { host, peer, _ in
                LineEngine(host) { _, _ in [.bytes(Array("\(peer.place)\n".utf8))] }
            })
    }

    @Test func `several addresses are served at once and told with their ports`() async throws {
        let path = temporaryPath()
        let server = try Self.server([
            .tcp(host: "127.0.0.1", port: 0), .unix(path: path), .tcp(host: "127.0.0.1", port: 0),
        ])
        server.start()
        #expect(server.addresses[1] == .unix(path: path))
        #expect(Set(server.addresses.map(\.description)).count == 3)
        try await blocking {
            for (address, peer) in zip(server.addresses, ["loopback", "unixSocket", "loopback"]) {
                let client = try Client(address)
                try client.send("\n")
                #expect(try client.line() == peer)
            }
        }
        await server.shutdown(grace: .seconds(5))
        #expect(throws: ClientError.self) { try Client(.unix(path: path)) }
    }

    @Test func `an address in use is refused`() async throws {
        let first = try Self.server([.tcp(host: "127.0.0.1", port: 0)])
        let taken = first.addresses[0]
        #expect(throws: TransportError.addressInUse(taken)) { try Self.server([taken]) }
        await first.shutdown(grace: .zero)
    }

    @Test func `a host that is not there is refused`() {
        #expect {
            try Self.server([.tcp(host: "no such host", port: 0)])
        } throws: { error in
            if case TransportError.unresolvable = error { true } else { false }
        }
    }

    @Test func `a socket file is private, and gone after shutdown`() async throws {
        let path = temporaryPath()
        let server = try Self.server([.unix(path: path)])
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(throws: TransportError.addressInUse(.unix(path: path))) {
            try Self.server([.unix(path: path)])
        }
        await server.shutdown(grace: .zero)
        #expect(lstat(path, &status) != 0)
    }

    @Test func `a socket file that nobody listens on is replaced`() async throws {
        let path = temporaryPath()
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: address) { pointer in
            bind(
                fd, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        #expect(bound == 0)
        close(fd)
        let server = try Self.server([.unix(path: path)])
        server.start()
        try await blocking {
            let client = try Client(.unix(path: path))
            try client.send("\n")
            #expect(try client.line() == "unixSocket")
        }
        await server.shutdown(grace: .seconds(5))
    }

    @Test func `a file that is no socket is left alone`() throws {
        let path = temporaryPath()
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        #expect(throws: TransportError.notASocketFile(path: path)) {
            try Self.server([.unix(path: path)])
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("precious".utf8))
    }

    @Test func `a server that was never started ends`() async throws {
        let server = try Self.server([Kind.unix.address])
        await server.shutdown(grace: .seconds(5))
        server.start()
        #expect(throws: ClientError.self) { try Client(server.addresses[0]) }
    }
}
