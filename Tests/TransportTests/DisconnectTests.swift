import Foundation
import Glibc
import HTTPWire
import ServiceLimits
import TestSupport
import Testing
import Transport

@Suite struct DisconnectTests {
    @Test(arguments: Kind.allCases, [false, true])
    func `clients that vanish at any byte leave nothing`(_ kind: Kind, _ resets: Bool)
        async throws
    {
        let (begun, ended) = (Tally(), Tally())
        try await withServer(
            kind,
            engine: { host, _, _ in
                begun.add()
                let engine = EchoEngine(host, ends: ended)
                engine.isReceivingBody = true
                return engine
            }
        ) { server throws in
            var random = SplitMix(seed: 11)
            for _ in 0..<100 {
                let client = try server.connect()
                let sent = Int.random(in: 0...100_000, using: &random)
                try client.send([UInt8](repeating: 1, count: sent))
                if Bool.random(using: &random) { _ = try client.receive(sent / 2) }
                if resets { client.reset() } else { client.close() }
            }
            ended.wait(for: 100)
            eventually("connections are left") { server.connectionCount == 0 }
            #expect(begun.count == 100)
            #expect(ended.count == 100)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a client that vanishes while its engine is paused is noticed`(_ kind: Kind)
        async throws
    {
        final class Deaf: ToyEngine {
            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: Instant
            ) -> Int {
                readDemand = .none
                return 0
            }
        }
        let ended = Tally()
        let begun = Tally()
        try await withServer(
            kind,
            engine: { host, _, _ in
                begun.add()
                return Deaf(host, ends: ended)
            }
        ) { server throws in
            let client = try server.connect()
            try client.send("hello")
            begun.wait(for: 1)
            client.reset()
            ended.wait(for: 1)
            eventually("the connection is left") { server.connectionCount == 0 }
        }
    }

    /// Leaves its requests without an answer, and counts those that are cancelled.
    private struct Silent: RequestHandler {
        let begun = Tally()
        let cancelled = Tally()

        func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
            let cancelled = cancelled
            exchange.onCancel { cancelled.add() }
            begun.add()
            return .discard
        }
    }

    /// A request over HTTP/1.1, and one over HTTP/2 with the preface before it.
    private static let requests = [
        Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
        Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
            + [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, 0x61],
    ]

    @Test(arguments: [Kind.tcp, .tls], requests)
    func `a client's end cancels nothing, and its reset does`(_ kind: Kind, _ request: [UInt8])
        async throws
    {
        let handler = Silent()
        try await withServer(kind, engine: httpEngine(handler)) { server throws in
            for count in stride(from: 2, through: 10, by: 2) {
                let (ended, whole) = (try server.connect(), try server.connect())
                for client in [ended, whole] { try client.send(request) }
                handler.begun.wait(for: count)
                ended.endSending()
                whole.reset()
                handler.cancelled.wait(for: count - 1)
                #expect(server.connectionCount == 1)
                ended.reset()
                handler.cancelled.wait(for: count)
                eventually("the connection is left") { server.connectionCount == 0 }
            }
        }
    }

    @Test(arguments: [Kind.tcp, .tls])
    func `a client that closes an HTTP2 connection cancels its requests`(_ kind: Kind)
        async throws
    {
        let handler = Silent()
        try await withServer(kind, engine: httpEngine(handler)) { server throws in
            let client = try server.connect()
            try client.send(Self.requests[1])
            // SETTINGS, WINDOW_UPDATE and the acknowledgement of the client's SETTINGS: were one
            // of them unread, the kernel would reset instead of closing.
            let head = try client.receive(9)
            let rest = Int(head[2]) + (9 + 4) + 9
            #expect(try client.receive(rest).count == rest)
            handler.begun.wait(for: 1)
            client.close()
            handler.cancelled.wait(for: 1)
        }
    }

    @Test(arguments: requests)
    func `a client of a Unix socket that closes it cancels its request`(_ request: [UInt8])
        async throws
    {
        let handler = Silent()
        try await withServer(.unix, engine: httpEngine(handler)) { server throws in
            let client = try server.connect()
            try client.send(request)
            handler.begun.wait(for: 1)
            client.endSending()
            #expect(handler.cancelled.count == 0)
            client.close()
            handler.cancelled.wait(for: 1)
        }
    }

    @Test func `an answer before the end of a body arrives whole when the engine lingers`()
        async throws
    {
        final class Refusing: ToyEngine {
            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: Instant
            ) -> Int {
                if readDemand != .none {
                    queue = [.bytes(Array("413 too large\n".utf8)), .closeAfterLinger]
                }
                readDemand = .none
                return bytes.count
            }
        }
        try await withServer(engine: { host, _, _ in Refusing(host) }) { server throws in
            let client = try server.connect()
            try client.send(pattern(8 << 20))
            #expect(try client.line() == "413 too large")
            #expect(try client.receiveToEnd().isEmpty)
        }
    }

    @Test func `a reset cannot be taken for an end`() async throws {
        try await withServer(
            engine: { host, _, _ in
                LineEngine(host) { _, _ in [.bytes(Array("half".utf8)), .reset] }
            }
        ) { server throws in
            let client = try server.connect()
            try client.send("\n")
            #expect(throws: ClientError.self) { while try !client.receiveSome().isEmpty {} }
        }
    }
}
