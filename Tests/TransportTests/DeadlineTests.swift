import HTTPWire
import ServiceLimits
import Testing
import Transport

@Suite struct DeadlineTests {
    /// Has a deadline from the start; when it passes, tells what lies unread, and ends.
    final class Impatient: ToyEngine {
        init(_ host: any EngineHost, deadline: ContinuousClock.Instant) {
            super.init(host)
            readDemand = .bytes(atLeast: 1_000)
            self.deadline = deadline
        }
        override func timeExpired(now: ContinuousClock.Instant, unreadBytes: Int) {
            precondition(deadline.map { $0 <= now } == true)
            deadline = nil
            queue = [.bytes(Array("\(unreadBytes)\n".utf8)), .closeAfterLinger]
        }
    }

    @Test func `a deadline fires, and tells what is unread below the low-water mark`()
        async throws
    {
        try await withServer(
            engine: { host, _, now in
                Impatient(host, deadline: now.advanced(by: .milliseconds(60)))
            }
        ) { server throws in
            let begun = ContinuousClock.now
            let client = try server.connect()
            try client.send([UInt8](repeating: 0, count: 123))
            #expect(try client.line() == "123")
            #expect(try client.receiveToEnd().isEmpty)
            #expect(begun.duration(to: .now) >= .milliseconds(60))
        }
    }

    @Test func `a deadline that moved away does not fire, and one that moved closer does`()
        async throws
    {
        /// Each line moves the deadline; `soon` brings it close.
        final class Moving: ToyEngine {
            private var moves = 0
            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: ContinuousClock.Instant
            ) -> Int {
                moves += bytes.count
                deadline = now.advanced(by: moves < 20 ? .milliseconds(50) : .milliseconds(1))
                queue.append(.bytes([0x0A]))
                return bytes.count
            }
            override func timeExpired(now: ContinuousClock.Instant, unreadBytes: Int) {
                deadline = nil
                queue = [.bytes(Array("\(moves)\n".utf8)), .close]
            }
        }
        try await withServer(engine: { host, _, _ in Moving(host) }) { server throws in
            let client = try server.connect()
            for _ in 0..<20 {
                try client.send("x")
                #expect(try client.line() == "")
            }
            #expect(try client.line() == "20")
        }
    }

    @Test func `a peer that does not close its side is left after the linger time`() async throws {
        var limits = Limits()
        limits.linger = .milliseconds(50)
        try await withServer(
            limits: limits,
            engine: { host, _, _ in LineEngine(host) { _, _ in [.closeAfterLinger] } }
        ) { server throws in
            let client = try server.connect()
            try client.send("\n")
            #expect(try client.receiveToEnd().isEmpty)
            eventually("the connection is still there") { server.connectionCount == 0 }
        }
    }
}
