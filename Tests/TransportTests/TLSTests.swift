import COpenSSL
import Foundation
import HTTPWire
import ServiceLimits
import Testing
import Transport

/// What TLS adds to a connection; that it is otherwise like others, the other suites show.
@Suite struct TLSTests {
    /// Answers each line with what the server knows of the peer.
    static let facts: Server.EngineFactory = { host, peer, _ in
        LineEngine(host) { _, _ in
            let agreed = peer.applicationProtocol?.rawValue ?? "none"
            let words = ["\(peer.isEncrypted)", agreed] + peer.certificateNames
            return [.bytes(Array((words.joined(separator: "|") + "\n").utf8))]
        }
    }

    static func ask(_ server: Server, _ options: ClientTLS.Options) throws -> String {
        let client = try Client(server.addresses[0], tls: options)
        try client.send("\n")
        return try client.line()
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `the protocol is the first of ours that the client offers`(_ version: Int32) async throws {
        try await withServer(.tls, engine: Self.facts) { server throws in
            let cases = [
                (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), ([], "none"),
                (["foo", "http/1.1"], "http/1.1"),
            ]
            for (offered, agreed) in cases {
                let options = ClientTLS.Options(protocols: offered, version: version)
                #expect(try Self.ask(server, options) == "true|" + agreed)
            }
            let refusal = #expect(throws: TLSFailure.self) {
                try Self.ask(server, .init(protocols: ["foo"], version: version))
            }
            #expect(refusal?.description.contains("no application protocol") == true)
        }
    }

    /// A client's pair, whether its certificate is required, and what comes of it.
    static let clients: [(String?, Bool, String?)] = [
        (nil, false, ""), (nil, true, nil), ("names", false, "|one|two"),
        ("names", true, "|one|two"), ("common", true, "|common name"), ("other", false, nil),
        ("other", true, nil), ("expired", false, nil),
    ]

    @Test(arguments: clients, [TLS1_2_VERSION, TLS1_3_VERSION])
    func `a client is known by the certificate that the authority vouches for`(
        _ client: (String?, Bool, String?), _ version: Int32
    ) async throws {
        let (certificate, isRequired, names) = client
        let files = TestCertificates.shared.files(
            "server", clientAuthorities: "ca.pem", requiresClientCertificate: isRequired)
        let identity = try TLSIdentity(files, protocols: [.http1])
        try await withServer(.tls, identity: identity, engine: Self.facts) { server throws in
            let options = ClientTLS.Options(version: version, certificate: certificate)
            if let names {
                #expect(try Self.ask(server, options) == "true|none" + names)
            } else {
                #expect(throws: (any Error).self) { try Self.ask(server, options) }
            }
        }
    }

    @Test func `a certificate is not asked for without authorities`() async throws {
        try await withServer(.tls, engine: Self.facts) { server throws in
            #expect(try Self.ask(server, .init(certificate: "names")) == "true|none")
        }
    }

    @Test func `pieces are joined into whole records`() async throws {
        let file = try PinnedFile(pattern(300_000))
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 300_000, alignment: 8)
        defer { memory.deallocate() }
        memory.copyBytes(from: file.content)
        let box = UnsafeRawPointerBox(UnsafeRawPointer(try #require(memory.baseAddress)))
        let engine: Server.EngineFactory = { host, _, _ in
            LineEngine(host) { line, _ in
                let size = Int(line) ?? 1
                return [
                    .pieces(
                        stride(from: 0, to: 300_000, by: size).flatMap { start in
                            let count = min(size, 300_000 - start)
                            return [
                                OutputPiece.bytes([UInt8](repeating: 7, count: 9)),
                                .slice(file.slice(offset: start, count: count, mapping: box)),
                            ]
                        })
                ]
            }
        }
        try await withServer(.tls, engine: engine) { server throws in
            let client = try server.connect()
            let tls = try #require(client.tls)
            // Tickets come before the first answer.
            try client.send("300000\n")
            _ = try client.receive(300_009)
            for size in [7, 100, 16_384, 20_000, 300_000] {
                let before = tls.receivedBytes
                try client.send("\(size)\n")
                let frames = (300_000 + size - 1) / size
                var expected: [UInt8] = []
                for start in stride(from: 0, to: 300_000, by: size) {
                    expected += [UInt8](repeating: 7, count: 9)
                    expected += file.content[start..<min(start + size, 300_000)]
                }
                #expect(try client.receive(expected.count) == expected)
                // In TLS 1.3 a record has 22 bytes beside its content (RFC 8446 section 5.2).
                let records = (tls.receivedBytes - before - expected.count) / 22
                // Short ones end a call's 128 pieces, or a turn's megabyte.
                let calls = frames * 2 / 128 + expected.count >> 20 + 1
                #expect(records <= expected.count / 16_384 + calls + 1, "\(size): \(records)")
            }
        }
    }

    @Test func `an orderly end is announced, a reset is not`() async throws {
        try await withServer(
            .tls,
            engine: { host, _, _ in
                LineEngine(host) { line, _ in
                    [
                        .bytes([UInt8](repeating: 1, count: 3_000_000)),
                        line == "close" ? .close : line == "linger" ? .closeAfterLinger : .reset,
                    ]
                }
            }
        ) { server throws in
            for end in ["close", "linger", "reset"] {
                let client = try server.connect()
                try client.send(end + "\n")
                if end == "reset" {
                    #expect(throws: ClientError.self) { try client.receiveToEnd() }
                } else {
                    #expect(try client.receiveToEnd().count == 3_000_000)
                }
                #expect(client.tls?.hasEnded == (end != "reset"))
            }
        }
    }

    /// The server's port, to be talked to without TLS.
    private static func plain(_ server: Server) throws -> ListenAddress {
        guard case .tls(let host, let port) = server.addresses[0] else { throw TLSFailure("port") }
        return .tcp(host: host, port: port)
    }

    @Test func `a client that does not speak TLS, or stops in the middle, is let go of`()
        async throws
    {
        try await withServer(.tls, engine: Self.facts) { server throws in
            let plain = try Self.plain(server)
            for method in ["GET", "DELETE", "PUT"] {
                let client = try Client(plain)
                try client.send(method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = String(decoding: try client.receiveToEnd(), as: UTF8.self)
                #expect(answer.hasPrefix("HTTP/1.1 400"), "\(method)")
            }
            eventually("connections are left") { server.connectionCount == 0 }
        }
        var limits = Limits.patient
        let headTimeout = Duration.milliseconds(300)
        limits.headTimeout = headTimeout
        try await withServer(.tls, limits: limits, engine: Self.facts) { server throws in
            let plain = try Self.plain(server)
            // Records' heads that promise a hello, then nothing.
            let text = Array("\u{16}\u{3} / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            for opening in [[], [0x16], [0x16, 3, 1, 2, 0, 1, 0, 1], text] as [[UInt8]] {
                // What is sent too late, on a busy machine, may meet a closed socket.
                var isInTime = false
                while !isInTime {
                    let begun = ContinuousClock.now
                    let client = try Client(plain)
                    let received = Result {
                        try client.send(opening)
                        isInTime = begun.duration(to: .now) < headTimeout
                        return try client.receiveToEnd()
                    }
                    if isInTime { #expect(try received.get().isEmpty) }
                }
            }
            eventually("connections are left") { server.connectionCount == 0 }
        }
    }

    @Test func `what is decrypted when a turn ends is read without an event of the socket`()
        async throws
    {
        // A turn reads a megabyte: what follows lies with OpenSSL when the socket is empty.
        final class Counter: ToyEngine {
            static let total = 1 << 20 + 30_000
            var left = total
            override func receive(
                _ bytes: UnsafeRawBufferPointer, now: Instant
            ) -> Int {
                left -= bytes.count
                if left == 0 {
                    left = Self.total
                    queue.append(.bytes([0x0A]))
                }
                return bytes.count
            }
        }
        let sent = [UInt8](repeating: 1, count: Counter.total)
        try await withServer(.tls, lanes: 1, engine: { host, _, _ in Counter(host) }) {
            server throws in
            let client = try server.connect()
            for _ in 0..<30 {
                Thread.detachNewThread { try? client.send(sent) }
                #expect(try client.line() == "")
            }
        }
    }

    @Test func `keys are changed while an answer waits for its reader`() async throws {
        let sent = pattern(8 << 20)
        try await withServer(.tls, engine: { host, _, _ in EchoEngine(host) }) { server throws in
            let client = try Client(server.addresses[0], tls: .init(version: TLS1_3_VERSION))
            Thread.detachNewThread {
                for start in stride(from: 0, to: sent.count, by: 1 << 16) {
                    client.tls?.changeKeys(of: start % (1 << 17) == 0 ? .both : .own)
                    try? client.send(Array(sent[start..<start + 1 << 16]))
                }
            }
            // Both directions are full before anything is read.
            eventually("nothing came") { client.isReadable(within: 0) }
            #expect(try client.receive(sent.count) == sent)
        }
    }
}
