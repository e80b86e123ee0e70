import Foundation
import HTTPWire
import ServiceLimits
import Testing
import Transport

@Suite struct EchoTests {
    @Test(arguments: Kind.allCases)
    func `eight megabytes come back as they were sent`(_ kind: Kind) async throws {
        let sent = pattern(8 << 20)
        try await withServer(kind, engine: { host, _, _ in EchoEngine(host) }) { server throws in
            let client = try server.connect()
            Thread.detachNewThread { try? client.send(sent) }
            #expect(try client.receive(sent.count) == sent)
        }
    }

    @Test(arguments: Kind.allCases)
    func `what is in the socket before the end of input still comes back`(_ kind: Kind)
        async throws
    {
        let sent = pattern(100_000)
        try await withServer(kind, engine: { host, _, _ in EchoEngine(host) }) { server throws in
            let client = try server.connect()
            try client.send(sent)
            client.endSending()
            #expect(try client.receiveToEnd() == sent)
        }
    }

    @Test(arguments: Kind.allCases, [1, 2, 3] as [UInt64])
    func `a pausing engine gets every byte in order, and the end after the last`(
        _ kind: Kind, _ seed: UInt64
    ) async throws {
        let sent = pattern(2 << 20, seed: seed)
        let gathered = Gathered()
        try await withServer(
            kind, engine: { host, _, _ in PausingEngine(host, seed: seed, gathered: gathered) }
        ) { server throws in
            let client = try server.connect()
            try client.send(sent)
            client.endSending()
            #expect(try client.receiveToEnd().isEmpty)
            #expect(gathered.isEnded)
            #expect(gathered.bytes == sent)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a request that shared a read with the one before is answered after it`(_ kind: Kind)
        async throws
    {
        // Takes one line at a time, as an engine that answers in order does.
        final class OneLine: ToyEngine {
            private var beginning: [UInt8] = []

            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: Instant
            ) -> Int {
                guard queue.isEmpty else { return 0 }
                guard let end = bytes.firstIndex(of: 0x0A) else {
                    beginning += bytes
                    return bytes.count
                }
                queue.append(.bytes(beginning + bytes[...end]))
                beginning = []
                return end + 1
            }
        }
        let lines = (0..<5_000).map { "line \($0)\n" }.joined()
        try await withServer(kind, engine: { host, _, _ in OneLine(host) }) { server throws in
            let client = try server.connect()
            try client.send(lines)
            #expect(String(decoding: try client.receive(lines.utf8.count), as: UTF8.self) == lines)
        }
    }

    @Test func `over TCP the engine is not called before as much is there as it asked for`()
        async throws
    {
        final class Body: ToyEngine {
            let gathered: Gathered
            var left = 200_000
            init(_ host: any EngineHost, _ gathered: Gathered) {
                self.gathered = gathered
                super.init(host)
                readDemand = .bytes(atLeast: 100_000)
            }
            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: Instant
            ) -> Int {
                gathered.append(bytes[...])
                left -= bytes.count
                readDemand = .bytes(atLeast: max(1, min(left, 100_000)))
                if left == 0 { queue.append(.bytes([0x0A])) }
                return bytes.count
            }
        }
        let gathered = Gathered()
        let sent = pattern(200_000)
        try await withServer(engine: { host, _, _ in Body(host, gathered) }) { server throws in
            let client = try server.connect()
            for start in stride(from: 0, to: sent.count, by: 1_000) {
                try client.send(Array(sent[start..<start + 1_000]))
            }
            // The rest is less than what was asked for at first: it must not wait for more.
            #expect(try client.line() == "")
            #expect(gathered.bytes == sent)
            #expect(gathered.calls.count <= 3)

            let other = try server.connect()
            try other.send([1, 2, 3])
            other.endSending()
            #expect(try other.receiveToEnd().isEmpty)
            #expect(gathered.bytes.suffix(3) == [1, 2, 3])
        }
    }

    @Test func `work for a lane runs on it, in order, and not inside the call`() async throws {
        let gathered = Gathered()
        try await withServer(
            engine: { host, _, _ in
                LineEngine(host) { line, engine in
                    let host = engine.host
                    #expect(host.isOnLane)
                    for number in UInt8(0)..<100 {
                        host.onLane {
                            #expect(host.isOnLane)
                            [number].withUnsafeBytes { gathered.append($0[...]) }
                        }
                    }
                    #expect(gathered.bytes.isEmpty)
                    DispatchQueue.global().async {
                        #expect(!host.isOnLane)
                        host.onLane { gathered.end() }
                    }
                    return []
                }
            }
        ) { server throws in
            let client = try server.connect()
            try client.send("go\n")
            eventually("the lane did not run its mail") { gathered.isEnded }
            #expect(gathered.bytes == Array(0..<100))
        }
    }

    @Test func `new connections go to the lane that receives fewer bodies`() async throws {
        // On two lanes: the first connection receives a body, so the next two share the other.
        let hosts = HostList()
        try await withServer(
            lanes: 2,
            engine: { host, _, _ in
                hosts.add(host)
                return LineEngine(host) { line, engine in
                    engine.isReceivingBody = line == "body"
                    return [.bytes([0x0A])]
                }
            }
        ) { server throws in
            let first = try server.connect()
            // The lane counts a body when the turn of its answer is over: before the second.
            for _ in 0..<2 {
                try first.send("body\n")
                _ = try first.line()
            }
            for _ in 0..<2 {
                let client = try server.connect()
                try client.send("x\n")
                _ = try client.line()
                hosts.keep(client)
            }
            #expect(hosts.sharesLane(1, 2))
            #expect(!hosts.sharesLane(0, 1))
        }
    }
}
