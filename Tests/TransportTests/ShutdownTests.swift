import Foundation
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
            _ bytes: UnsafeRawBufferPointer, now: Instant
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

        override func beginShutdown(now: Instant) {
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
            limits: .patient, logger: quietLogger(),
            makeEngine: { host, _, _ in Slow(host, gate) })
        server.start()
        let (idle, busy) = try await blocking {
            let (idle, busy) = (try server.connect(), try server.connect())
            try busy.send("x")
            gate.waiting.wait(for: 1)
            eventually("a connection is missing") { server.connectionCount == 2 }
            return (idle, busy)
        }
        try await server.shutdown(grace: .seconds(patience), refusing: .zero) { () throws in
            #expect(try idle.receiveToEnd().isEmpty)
            gate.stopping.wait(for: 2)
            // (A TCP port that was given back may be another test's by now.)
            if kind == .unix {
                #expect(throws: ClientError.self) { try Client(server.addresses[0]) }
            }
            gate.open()
            #expect(try busy.receiveToEnd() == Array("done\n".utf8))
        }
        #expect(server.connectionCount == 0)
    }

    /// Wants every body, and counts those that are cut.
    struct Uploads: RequestHandler {
        final class Sink: BodySink {
            let uploads: Uploads

            init(_ uploads: Uploads) { self.uploads = uploads }

            func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
                uploads.begun.add()
                return chunk.count
            }
            func finish() { Issue.record("the body was never complete") }
            func abort(_ reason: BodyAbort) {
                if reason == .shuttingDown { uploads.cut.add() }
            }
        }

        let begun = Tally()
        let cut = Tally()

        func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
            .accept(Sink(self))
        }
    }

    @Test(arguments: Kind.allCases)
    func `a client that still sends after the grace gets the refusal, whole`(_ kind: Kind)
        async throws
    {
        let uploads = Uploads()
        let server = try Server(
            listen: [kind.address], tls: try kind.identity(), laneCount: 1, limits: .patient,
            logger: quietLogger(), makeEngine: httpEngine(uploads))
        server.start()
        let client = try await blocking {
            let client = try server.connect()
            let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"
            try client.send(Array(head.utf8) + pattern(1000))
            uploads.begun.wait(for: 1)
            return client
        }
        try await server.shutdown(grace: .milliseconds(30)) { () throws in
            defer { client.close() }
            uploads.cut.wait(for: 1)
            // More than the sockets hold: a service that had closed would reset it.
            try client.send(pattern(8_000_000))
            let answer = String(decoding: try client.receiveToEnd(), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            #expect(answer.contains("\r\nConnection: close\r\n"))
            #expect(answer.contains("\r\nRetry-After: 5\r\n"))
            #expect(answer.hasSuffix("}") && answer.contains("/problems/shutting-down"))
        }
        #expect(server.connectionCount == 0 && uploads.cut.count == 1)
    }

    /// Wants every body; one that begins with `s` holds up its lane until the test goes on.
    struct Stalling: RequestHandler {
        final class Sink: BodySink {
            let stalling: Stalling

            init(_ stalling: Stalling) { self.stalling = stalling }

            func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
                stalling.begun.add()
                if chunk.first == UInt8(ascii: "s") { stalling.end.wait() }
                return chunk.count
            }
            func finish() {}
            func abort(_ reason: BodyAbort) {}
        }

        let begun = Tally()
        let end = DispatchSemaphore(value: 0)

        func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
            .accept(Sink(self))
        }
    }

    @Test func `clients are refused, not reset, by a lane that had no time at the grace's end`()
        async throws
    {
        let stalling = Stalling()
        // A Unix socket keeps what was written for a client that is late to read it.
        let server = try Server(
            listen: [Kind.unix.address], laneCount: 1, limits: .patient, logger: quietLogger(),
            makeEngine: httpEngine(stalling))
        server.start()
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".utf8)
        let clients = try await blocking {
            let clients = [try server.connect(), try server.connect()]
            try clients[0].send(head + Array("x".utf8))
            stalling.begun.wait(for: 1)
            try clients[1].send(head + Array("s".utf8))
            stalling.begun.wait(for: 2)
            return clients
        }
        try await server.shutdown(grace: .milliseconds(10), refusing: .milliseconds(100)) {
            () throws in
            let bothArePast = ContinuousClock.now + .milliseconds(300)
            eventually("the time stands still") { ContinuousClock.now > bothArePast }
            stalling.end.signal()
            for client in clients {
                let answer = String(decoding: try client.receiveToEnd(), as: UTF8.self)
                #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            }
        }
        #expect(server.connectionCount == 0)
    }

    @Test func `what is not finished after the grace and the time for refusals is reset`()
        async throws
    {
        let gate = Gate()
        let server = try Server(
            listen: [Kind.tcp.address], laneCount: 1, limits: .patient, logger: quietLogger(),
            makeEngine: { host, _, _ in Slow(host, gate) })
        server.start()
        let client = try await blocking {
            let client = try server.connect()
            try client.send("x")
            gate.waiting.wait(for: 1)
            return client
        }
        await server.shutdown(grace: .milliseconds(30), refusing: .milliseconds(30))
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
            listen: [Kind.tcp.address], laneCount: 2, limits: .patient, logger: quietLogger(),
            makeEngine: { host, _, _ in Slow(host, gate) })
        server.start()
        let client = try await blocking {
            let client = try server.connect()
            try client.send("x")
            gate.waiting.wait(for: 1)
            return client
        }
        async let first: Void = server.shutdown(grace: .seconds(600))
        await server.shutdown(grace: .zero, refusing: .zero)
        await first
        #expect(server.connectionCount == 0)
        _ = client
    }
}
