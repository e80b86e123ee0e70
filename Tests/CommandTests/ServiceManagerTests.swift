import Foundation
import TestSupport
import Testing

@testable import polyak

@Suite struct ServiceManagerTests {
    @Test func `states go as datagrams to the named socket`() throws {
        let directory = try TemporaryDirectory()
        let path = directory("notify")
        try expectStates(at: path, bindTo: Array(path.utf8))
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
        let socket = try UnixClient(receivingDatagramsAt: name)
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": notifySocket])
        manager.ready()
        manager.stopping()
        #expect(try socket.receive() == "READY=1")
        #expect(try socket.receive() == "STOPPING=1")
    }
}
