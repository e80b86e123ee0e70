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
