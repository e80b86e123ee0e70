import HTTPWire
import ServiceLimits
import Testing
import Transport

@Suite struct DeadlineTests {
    /// Has a deadline from the start; when it passes, tells what lies unread, and ends.
    final class Impatient: ToyEngine {
        init(_ host: any EngineHost, deadline: Instant) {
            super.init(host)
            readDemand = .bytes(atLeast: 1_000)
            self.deadline = deadline
        }
        override func timeExpired(now: Instant, unreadBytes: Int) {
            precondition(deadline.map { $0 <= now } == true)
            // On a busy machine the client may not have had its turn yet.
            guard unreadBytes > 0 else {
                deadline = now.advanced(by: .milliseconds(60))
                return
            }
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
        /// `x` moves the deadline away, and `!` brings it close.
        final class Moving: ToyEngine {
            private var isClose = false
            private var wasEarly = false
            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: Instant
            ) -> Int {
                isClose = bytes.last == 0x21
                deadline = now.advanced(by: isClose ? .milliseconds(1) : .milliseconds(50))
                queue.append(.bytes([0x0A]))
                return bytes.count
            }
            override func timeExpired(now: Instant, unreadBytes: Int) {
                // On a busy machine a deadline may pass before it is moved.
                if let deadline, deadline > now { wasEarly = true }
                deadline = nil
                if isClose { queue = [.bytes(Array("\(wasEarly)\n".utf8)), .close] }
            }
        }
        try await withServer(engine: { host, _, _ in Moving(host) }) { server throws in
            let client = try server.connect()
            let begun = ContinuousClock.now
            while begun.duration(to: .now) < .milliseconds(150) {
                try client.send("x")
                #expect(try client.line() == "")
            }
            try client.send("!")
            #expect(try client.line() == "")
            #expect(try client.line() == "false")
        }
    }

    @Test func `a peer that does not close its side is left after the linger time`() async throws {
        var limits = Limits.patient
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
