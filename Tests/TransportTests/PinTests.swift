import HTTPWire
import ServiceLimits
import Testing
import Transport

/// What becomes of the pin of a slice that was sent by reference. The slices are small enough to
/// lie in the socket's buffers whole while the reader does not read.
@Suite struct PinTests {
    /// Answers `slice` and `copy` with the file, anything else with a short line or, for `close`,
    /// `linger`, `reset`, an end.
    static func engine(_ file: PinnedFile, drained: Tally) -> Server.EngineFactory {
        { host, _, _ in
            LineEngine(host, drained: drained) { line, _ in
                switch line {
                case "slice": [.slice(file.slice())]
                case "copy": [.slice(file.slice(transfer: .copy))]
                case "close": [.close]
                case "linger": [.closeAfterLinger]
                case "reset": [.reset]
                default: [.bytes([0x2E, 0x0A])]
                }
            }
        }
    }

    /// Runs `body` with a client that was sent a slice by reference and has not read any of it.
    static func withStalledReader(
        _ kind: Kind = .tcp, asking request: String = "slice\n", limits: Limits = .patient,
        _ body: @escaping @Sendable (Server, Client, PinnedFile) throws -> Void
    ) async throws {
        let file = try PinnedFile(pattern(50_000))
        let drained = Tally()
        try await withServer(
            kind, lanes: 1, limits: limits, engine: engine(file, drained: drained)
        ) { server throws in
            let client = try server.connect()
            drained.wait(for: 1)
            try client.send(request)
            drained.wait(for: 2)
            try body(server, client, file)
        }
    }

    /// Makes sure that the lane has had turns since.
    static func passTurns(_ server: Server) throws {
        let other = try server.connect()
        for _ in 0..<3 {
            try other.send("x\n")
            _ = try other.line()
        }
    }

    @Test func `over TCP a pin outlives the reading and ends with the next request`() async throws {
        try await Self.withStalledReader { server, client, file throws in
            try Self.passTurns(server)
            #expect((file.sent.count, file.released.count) == (1, 0))
            #expect(try client.receive(50_000) == file.content)
            try Self.passTurns(server)
            #expect((file.sent.count, file.released.count) == (1, 0))
            try client.send("next\n")
            _ = try client.line()
            #expect(file.released.count == 1)
            #expect(file.abandoned.count == 0)
        }
    }

    @Test func `over TCP a pipelined request proves nothing`() async throws {
        try await Self.withStalledReader(asking: "slice\nearly\n") { server, client, file throws in
            try Self.passTurns(server)
            #expect(file.released.count == 0)
            #expect(try client.receive(50_000) == file.content)
            #expect(try client.line() == ".")
            #expect(file.released.count == 0)
            try client.send("late\n")
            _ = try client.line()
            #expect(file.released.count == 1)
            #expect(file.abandoned.count == 0)
        }
    }

    @Test func `over TCP a pin ends when the reader closes its side`() async throws {
        try await Self.withStalledReader { server, client, file throws in
            #expect(try client.receive(50_000) == file.content)
            client.close()
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 0)
        }
    }

    @Test func `over TCP a pin ends when the reader resets`() async throws {
        try await Self.withStalledReader { server, client, file throws in
            // Bytes lie unread in the client's socket, so its close is a reset.
            client.close()
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 0)
        }
    }

    @Test func `a reader that has closed its sending side gets copies`() async throws {
        let file = try PinnedFile(pattern(50_000))
        let (gate, drained) = (Gate(), Tally())
        // Answers when told, and does not read meanwhile: the end of input waits in the socket.
        let engine: Server.EngineFactory = { host, _, _ in
            LineEngine(host, drained: drained) { line, engine in
                engine.readDemand = .none
                gate.wait {
                    host.onLane {
                        engine.queue.append(.slice(file.slice()))
                        host.wake()
                    }
                }
                return []
            }
        }
        try await withServer(lanes: 1, engine: engine) { server throws in
            let client = try server.connect()
            try client.send("slice\n")
            gate.waiting.wait(for: 1)
            client.endSending()
            gate.open()
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 0)
            #expect(try client.receive(50_000) == file.content)
        }
    }

    @Test(arguments: [true, false])
    func `a reader that closes its sending side in the middle can prove nothing`(
        _ readsWhileAnswering: Bool
    ) async throws {
        let file = try PinnedFile(pattern(16 << 20))
        let engine: Server.EngineFactory = { host, _, _ in
            let engine = LineEngine(host) { _, _ in [.slice(file.slice())] }
            engine.readsWhileAnswering = readsWhileAnswering
            return engine
        }
        try await withServer(lanes: 1, engine: engine) { server throws in
            let client = try server.connect()
            try client.send("slice\n")
            let first = try client.receive(1)
            client.endSending()
            #expect(try first + client.receiveToEnd() == file.content)
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 1)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a copied slice lets its pin go with the last byte`(_ kind: Kind) async throws {
        try await Self.withStalledReader(kind, asking: "copy\n") { server, client, file throws in
            #expect(file.released.count == 1)
            #expect((file.sent.count, file.abandoned.count) == (0, 0))
            #expect(try client.receive(50_000) == file.content)
        }
    }

    @Test(arguments: Kind.referring)
    func `a slice of which a part is still to be sent is not sent`(_ kind: Kind) async throws {
        let file = try PinnedFile(pattern(16 << 20))
        try await withServer(
            kind, lanes: 1, engine: Self.engine(file, drained: Tally())
        ) { server throws in
            let client = try server.connect()
            try client.send("slice\n")
            let first = try client.receive(1)
            try Self.passTurns(server)
            #expect(file.sent.count == 0)
            #expect(try first + client.receive(file.content.count - 1) == file.content)
            file.sent.wait(for: 1)
            // A Unix socket shows by itself that all was read.
            if kind == .tcp { #expect(file.released.count == 0) }
        }
        #expect((file.sent.count, file.released.count) == (1, 1))
    }

    @Test func `over a Unix socket the pin ends when all is read`() async throws {
        try await Self.withStalledReader(.unix) { server, client, file throws in
            try Self.passTurns(server)
            try client.send("early\n")
            try Self.passTurns(server)
            #expect(file.released.count == 0)
            #expect(try client.receive(50_002).count == 50_002)
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 0)
        }
    }

    @Test func `over a Unix socket the pin ends when the reader closes`() async throws {
        try await Self.withStalledReader(.unix) { server, client, file throws in
            client.close()
            file.released.wait(for: 1)
            eventually("the connection is still there") { server.connectionCount == 0 }
            #expect(file.abandoned.count == 0)
        }
    }

    @Test(arguments: Kind.referring, ["close\n", "linger\n"])
    func `a reader that never reads what we closed after has its pin abandoned`(
        _ kind: Kind, _ end: String
    ) async throws {
        var limits = Limits.patient
        limits.linger = .milliseconds(50)
        let file = try PinnedFile(pattern(50_000))
        let drained = Tally()
        try await withServer(
            kind, lanes: 1, limits: limits, engine: Self.engine(file, drained: drained)
        ) { server throws in
            let client = try server.connect()
            drained.wait(for: 1)
            try client.send("slice\n" + end)
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 1)
            eventually("the connection is still there") { server.connectionCount == 0 }
            #expect(try client.receiveToEnd() == file.content)
        }
    }

    @Test(arguments: Kind.allCases, ["close\n", "linger\n"])
    func `a reader that reads to the end and closes lets go of the pin`(
        _ kind: Kind, _ end: String
    ) async throws {
        let file = try PinnedFile(pattern(50_000))
        try await withServer(
            kind, lanes: 1, engine: Self.engine(file, drained: Tally())
        ) { server throws in
            let client = try server.connect()
            try client.send("slice\n" + end)
            #expect(try client.receiveToEnd() == file.content)
            client.close()
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 0)
        }
    }

    /// A reader that stalls in the middle of a slice can only be dropped from above.
    @Test(arguments: Kind.allCases)
    func `an engine that is reset ends a slice in flight`(_ kind: Kind) async throws {
        let file = try PinnedFile(pattern(16 << 20))
        let gate = Gate()
        let engine: Server.EngineFactory = { host, _, _ in
            LineEngine(host) { line, engine in
                gate.wait {
                    host.onLane {
                        engine.isReset = true
                        host.wake()
                    }
                }
                return [.slice(file.slice())]
            }
        }
        try await withServer(kind, lanes: 1, engine: engine) { server throws in
            let client = try server.connect()
            try client.send("slice\n")
            let first = try client.receive(1)
            #expect((file.sent.count, server.connectionCount) == (0, 1))
            gate.open()
            file.released.wait(for: 1)
            let referred = kind == .tls ? 0 : 1
            #expect((file.sent.count, file.abandoned.count) == (referred, referred))
            eventually("the connection is still there") { server.connectionCount == 0 }
            // What was under way may still come, and ends in a reset, which TCP alone has.
            var count = first.count
            do {
                while case let more = try client.receiveSome(), !more.isEmpty {
                    count += more.count
                }
                #expect(kind == .unix)
            } catch { #expect(kind != .unix) }
            #expect(count < file.content.count)
        }
    }

    @Test func `a connection that we reset abandons its pins`() async throws {
        let file = try PinnedFile(pattern(50_000))
        try await withServer(lanes: 1, engine: Self.engine(file, drained: Tally())) {
            server throws in
            let client = try server.connect()
            try client.send("slice\nreset\n")
            file.released.wait(for: 1)
            #expect(file.abandoned.count == 1)
            #expect(throws: ClientError.self) { while try !client.receiveSome().isEmpty {} }
        }
    }
}
