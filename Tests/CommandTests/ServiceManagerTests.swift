import Foundation
import Testing

@testable import polyak

@Suite struct ServiceManagerTests {
    @Test func `states go as datagrams to the named socket`() throws {
        try withDirectory { base in
            try expectStates(at: base + "/notify", bindTo: Array((base + "/notify").utf8))
        }
    }

    @Test func `an at sign names an abstract socket`() throws {
        let name = "polyak-test-\(UUID())"
        try expectStates(at: "@" + name, bindTo: [0] + Array(name.utf8))
    }

    @Test func `without a socket nothing is sent and nothing fails`() {
        ServiceManager(environment: [:]).ready()
        ServiceManager(environment: ["NOTIFY_SOCKET": ""]).ready()
        ServiceManager(environment: ["NOTIFY_SOCKET": "/nonexistent/notify"]).ready()
        let long = "/" + String(repeating: "a", count: 200)
        ServiceManager(environment: ["NOTIFY_SOCKET": long]).ready()
    }

    private func expectStates(at notifySocket: String, bindTo name: [UInt8]) throws {
        let fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(fd >= 0)
        defer { close(fd) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, length) }
        }
        try #require(bound == 0)

        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": notifySocket])
        manager.ready()
        manager.stopping()
        for state in ["READY=1", "STOPPING=1"] {
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = recv(fd, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            try #require(count > 0)
            #expect(String(decoding: buffer[..<count], as: UTF8.self) == state)
        }
    }
}
