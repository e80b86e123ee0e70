import Dispatch
import Glibc
import HTTPWire
import ServiceLimits
import Testing
import Transport

@Suite struct SliceTests {
    /// An engine that answers `OFFSET COUNT` with that range of the file.
    static func ranges(of file: PinnedFile, _ transfer: FileSlice.Transfer, isMapped: Bool)
        -> Server.EngineFactory
    {
        let mapping =
            isMapped ? mmap(nil, file.content.count, PROT_READ, MAP_SHARED, file.fd, 0) : nil
        let box = mapping.map { UnsafeRawPointerBox($0) }
        return { host, _, _ in
            LineEngine(host) { line, _ in
                let numbers = line.split(separator: " ").compactMap { Int($0) }
                return [
                    .bytes(Array("head\n".utf8)),
                    .slice(
                        file.slice(
                            offset: numbers[0], count: numbers[1], transfer: transfer, mapping: box)
                    ),
                    .bytes(Array("tail\n".utf8)),
                ]
            }
        }
    }

    static let ways: [(FileSlice.Transfer, Bool)] = [
        (.sendfile, false), (.copy, false), (.copy, true),
    ]

    @Test(arguments: Kind.allCases, ways)
    func `any range of a file arrives between what is before and after it`(
        _ kind: Kind, _ way: (FileSlice.Transfer, Bool)
    ) async throws {
        let file = try PinnedFile(pattern(5_000_000))
        let engine = Self.ranges(of: file, way.0, isMapped: way.1)
        try await withServer(kind, engine: engine) { server throws in
            let client = try server.connect()
            for (offset, count) in [(0, 5_000_000), (1, 4_099), (4_096, 3_000_001), (77, 0)] {
                try client.send("\(offset) \(count)\n")
                #expect(try client.line() == "head")
                let expected = Array(file.content[offset..<offset + count])
                #expect(try client.receive(count) == expected)
                #expect(try client.line() == "tail")
            }
        }
        #expect(file.abandoned.count == 0)
        #expect(file.released.count == 4)
    }

    @Test(arguments: Kind.allCases)
    func `a file shorter than its slice resets the connection`(_ kind: Kind) async throws {
        let file = try PinnedFile(pattern(10_000))
        try await withServer(
            kind, engine: Self.ranges(of: file, .sendfile, isMapped: false)
        ) { server throws in
            let client = try server.connect()
            try client.send("0 10001\n")
            // A Unix socket has no reset: there the end comes early.
            if kind != .unix {
                #expect(throws: ClientError.self) { try client.receiveToEnd() }
            } else {
                #expect(try client.receiveToEnd().count == 10_005)
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func `while one reader takes nothing others on its lane are served`(_ kind: Kind) async throws {
        let file = try PinnedFile(pattern(16 << 20))
        try await withServer(
            kind, lanes: 1, engine: Self.ranges(of: file, .sendfile, isMapped: false)
        ) { server throws in
            let stalled = try server.connect()
            try stalled.send("0 \(16 << 20)\n")
            let other = try server.connect()
            for _ in 0..<50 {
                try other.send("5 10\n")
                #expect(try other.receive(20).count == 20)
            }
            #expect(try stalled.receive(5 + 16 << 20).count == 5 + 16 << 20)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a reader that takes nothing is dropped after the write timeout`(_ kind: Kind)
        async throws
    {
        var limits = Limits.patient
        limits.writeTimeout = .milliseconds(80)
        let file = try PinnedFile(pattern(32 << 20))
        try await withServer(
            kind, limits: limits, engine: Self.ranges(of: file, .sendfile, isMapped: false)
        ) { server throws in
            let client = try server.connect()
            try client.send("0 \(32 << 20)\n")
            eventually("the reader was not dropped") {
                file.released.count == 1 && server.connectionCount == 0
            }
            // What it could still read refers to the file, except under TLS.
            #expect(file.abandoned.count == (kind == .tls ? 0 : 1))
            _ = client
        }
    }
}
