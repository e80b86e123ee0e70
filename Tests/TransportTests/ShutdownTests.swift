import HTTPWire
import ServiceLimits
import Testing
import Transport

@Suite struct ShutdownTests {
    /// Answers `later` only when told from outside, also while the service stops.
    ///
    /// `@unchecked Sendable`: crosses threads only as a reference that comes back to its lane.
    final class Slow: ToyEngine, @unchecked Sendable {
        private var isBusy = false
        private let gate: Gate

        init(_ host: any EngineHost, _ gate: Gate) {
            self.gate = gate
            super.init(host)
        }

        override func receive(
            _ bytes: UnsafeRawBufferPointer, now: ContinuousClock.Instant
        ) -> Int {
            isBusy = true
            let host = host
            gate.wait {
                host.onLane {
                    self.queue += [.bytes(Array("done\n".utf8)), .close]
                    host.wake()
                }
            }
            return bytes.count
        }

        override func beginShutdown(now: ContinuousClock.Instant) {
            if !isBusy { queue.append(.close) }
            gate.stopping.add()
        }
    }

    @Test(arguments: Kind.allCases)
    func `idle connections close at once, an answer in progress is finished`(_ kind: Kind)
        async throws
    {
        let gate = Gate()
        let server = try Server(
            listen: [kind.address], tls: try kind.identity(), laneCount: 2,
            limits: Limits(), logger: quietLogger(),
            makeEngine: { host, _, _ in Slow(host, gate) })
        server.start()
        let (idle, busy) = try await blocking {
            let (idle, busy) = (try server.connect(), try server.connect())
            try busy.send("x")
            gate.waiting.wait(for: 1)
            eventually("a connection is missing") { server.connectionCount == 2 }
            return (idle, busy)
        }
        async let stopped: Void = server.shutdown(grace: .seconds(30))
        try await blocking { () throws in
            #expect(try idle.receiveToEnd().isEmpty)
            gate.stopping.wait(for: 2)
            // (A TCP port that was given back may be another test's by now.)
            if kind == .unix {
                #expect(throws: ClientError.self) { try Client(server.addresses[0]) }
            }
            gate.open()
            #expect(try busy.receiveToEnd() == Array("done\n".utf8))
        }
        await stopped
        #expect(server.connectionCount == 0)
    }

    @Test func `what is not finished after the grace is reset`() async throws {
        let gate = Gate()
        let server = try Server(
            listen: [Kind.tcp.address], laneCount: 1, limits: Limits(), logger: quietLogger(),
            makeEngine: { host, _, _ in Slow(host, gate) })
        server.start()
        let client = try await blocking {
            let client = try server.connect()
            try client.send("x")
            gate.waiting.wait(for: 1)
            return client
        }
        await server.shutdown(grace: .milliseconds(30))
        #expect(server.connectionCount == 0)
        try await blocking {
            _ = #expect(throws: ClientError.self) { try client.receiveSome() }
        }
        // Its work comes too late for the lane, and harms nobody.
        gate.open()
    }

    @Test func `a second shutdown with less grace ends the first`() async throws {
        let gate = Gate()
        let server = try Server(
            listen: [Kind.tcp.address], laneCount: 2, limits: Limits(), logger: quietLogger(),
            makeEngine: { host, _, _ in Slow(host, gate) })
        server.start()
        let client = try await blocking {
            let client = try server.connect()
            try client.send("x")
            gate.waiting.wait(for: 1)
            return client
        }
        async let first: Void = server.shutdown(grace: .seconds(600))
        await server.shutdown(grace: .zero)
        await first
        #expect(server.connectionCount == 0)
        _ = client
    }
}
