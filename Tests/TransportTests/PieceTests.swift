import Dispatch
import Glibc
import HTTPWire
import ServiceLimits
import TestSupport
import Testing
import Transport

/// Several pieces in one write, and connections that go on under another engine.
@Suite struct PieceTests {
    /// Pieces of all kinds, and the bytes that they are.
    private static func pieces(of file: PinnedFile, isMapped: Bool) -> ([OutputPiece], [UInt8]) {
        let mapping =
            isMapped ? mmap(nil, file.content.count, PROT_READ, MAP_SHARED, file.fd, 0) : nil
        let box = mapping.map { UnsafeRawPointerBox($0) }
        var pieces: [OutputPiece] = []
        var bytes: [UInt8] = []
        var random = SplitMix(seed: 5)
        for round in 0..<300 {
            let head = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: round % 12)
            pieces.append(.bytes(head))
            bytes += head
            let offset = Int.random(in: 0..<file.content.count, using: &random)
            let count = Int.random(in: 0...min(50_000, file.content.count - offset), using: &random)
            pieces.append(.slice(file.slice(offset: offset, count: count, mapping: box)))
            bytes += file.content[offset..<offset + count]
        }
        return (pieces, bytes)
    }

    @Test(arguments: Kind.allCases, [true, false])
    func `pieces arrive in order, whatever the socket takes at once`(
        _ kind: Kind, _ isMapped: Bool
    ) async throws {
        let file = try PinnedFile(pattern(1_000_000))
        let expected = Self.pieces(of: file, isMapped: isMapped).1
        let ends = Tally()
        try await withServer(
            kind,
            engine: { host, _, _ in
                LineEngine(host, ends: ends) { _, _ in
                    [
                        .bytes(Array("head\n".utf8)),
                        .pieces(Self.pieces(of: file, isMapped: isMapped).0), .pieces([]),
                        .bytes(Array("tail\n".utf8)),
                    ]
                }
            }
        ) { server throws in
            let client = try server.connect()
            for _ in 0..<2 {
                try client.send("go\n")
                #expect(try client.line() == "head")
                #expect(try client.receive(expected.count) == expected)
                #expect(try client.line() == "tail")
            }
            // Copied pieces need no proof that they were read.
            file.released.wait(for: 900)
            // One who goes away in the middle holds nothing.
            try client.send("go\n")
            #expect(try client.line() == "head")
            client.reset()
            ends.wait(for: 1)
        }
        file.released.wait(for: 1200)
        #expect(file.abandoned.count == 0 && file.sent.count == 0)
    }

    /// Counts a body's bytes; GET gets the file.
    private static func engine(_ file: PinnedFile) -> Server.EngineFactory {
        let mapping = mmap(nil, file.content.count, PROT_READ, MAP_SHARED, file.fd, 0)
        let box = mapping.map { UnsafeRawPointerBox($0) }
        return httpEngine(FileHandler(file: file, mapping: box))
    }

    private struct FileHandler: RequestHandler {
        let file: PinnedFile
        let mapping: UnsafeRawPointerBox?

        func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
            exchange.respond(Response(status: 200, body: .slice(file.slice(mapping: mapping))))
            return .discard
        }
    }

    private static func frame(_ type: UInt8, _ flags: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
        [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, type == 1 ? 1 : 0] + payload
    }

    /// RFC 7541 C.4.1 is this block: GET http://www.example.com/.
    private static let request: [UInt8] =
        [0x82, 0x86, 0x84, 0x41, 0x8C] + [0xF1, 0xE3, 0xC2, 0xE5, 0xF2, 0x3A]
        + [0x6B, 0xA0, 0xAB, 0x90, 0xF4, 0xFF]

    @Test(arguments: [Kind.tcp, .unix], [[0], [1, 2, 3], [16], [23], [24], [24, 33], [40]])
    func `a connection becomes HTTP2 however its first bytes are cut`(
        _ kind: Kind, _ cuts: [Int]
    ) async throws {
        let file = try PinnedFile(pattern(40_000))
        try await withServer(kind, engine: Self.engine(file)) { server throws in
            let client = try server.connect()
            let bytes =
                Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(4, 0)
                + Self.frame(1, 5, Self.request)
            var start = 0
            for cut in cuts + [bytes.count] {
                try client.send(Array(bytes[start..<cut]))
                start = cut
                // The server's preface comes as soon as the client's is whole, and not before.
                if cut < 24 { #expect(!client.isReadable(within: 20)) }
            }
            #expect(try Self.body(client) == file.content)
            client.close()
        }
        #expect(file.released.count == 1 && file.sent.count == 0)
    }

    /// The slice that went out by sendfile over HTTP/1.1 is let go of when the client acknowledges
    /// what came after it.
    @Test func `an upgrade lets go of what was sent before`() async throws {
        let file = try PinnedFile(pattern(40_000))
        try await withServer(engine: Self.engine(file)) { server throws in
            let client = try server.connect()
            let get = "GET / HTTP/1.1\r\nHost: x\r\n"
            let upgrade =
                get
                + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"
            // Pipelined, so the second request proves nothing.
            try client.send(get + "\r\n" + upgrade)
            #expect(try HTTPTests.answer(client) == file.content)
            #expect(try client.line() == "HTTP/1.1 101 Switching Protocols\r")
            #expect(try client.line() == "Connection: Upgrade\r")
            #expect(try client.line() == "Upgrade: h2c\r")
            #expect(try client.line() == "\r")
            #expect(file.released.count == 0)
            try client.send(
                Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(4, 0))
            #expect(try Self.body(client) == file.content)
            file.released.wait(for: 1)
            try client.send(Self.frame(4, 1))
            file.released.wait(for: 2)
            client.close()
        }
        #expect(file.abandoned.count == 0)
    }

    /// What the frames of stream 1 say, to its end.
    private static func body(_ client: Client) throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let header = try client.receive(9)
            guard header.count == 9 else { return body }
            let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            let payload = try client.receive(length)
            if header[3] == 0 { body += payload }
            if header[8] == 1, header[4] & 1 != 0 { return body }
        }
    }
}
