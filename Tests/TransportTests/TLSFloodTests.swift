import COpenSSL
import HTTPWire
import ServiceLimits
import Synchronization
import Testing
import Transport

/// Records that cost much more than they bring must not keep a lane from its other connections.
@Suite struct TLSFloodTests {
    /// Stops reading after its first byte until the gate opens, so that what a client sends
    /// meanwhile waits in the socket; then says in a line how much came in how many pieces.
    ///
    /// `@unchecked Sendable`: crosses threads only as a reference that comes back to its lane.
    private final class HeldEngine: ToyEngine, @unchecked Sendable {
        private let gate: Gate
        private var isOpen = false
        private var bytes = 0
        private var largest = 0

        init(_ host: any EngineHost, _ gate: Gate) {
            self.gate = gate
            super.init(host)
        }

        override func receive(
            _ input: UnsafeRawBufferPointer, now: Instant
        ) -> Int {
            guard isOpen else {
                readDemand = .none
                gate.wait { [self] in
                    host.onLane {
                        self.isOpen = true
                        self.readDemand = .bytes(atLeast: 1)
                        self.host.wake()
                    }
                }
                return input.count
            }
            bytes += input.count
            largest = max(largest, input.count)
            if input.last == 0x0A { queue.append(.bytes(Array("\(bytes)|\(largest)\n".utf8))) }
            return input.count
        }
    }

    /// Holds a connection up while `burst` sends, and gives what the server says of it.
    private static func hold(
        _ version: Int32, _ burst: @escaping @Sendable (Client) throws -> Void,
        _ look: @escaping @Sendable (Client) throws -> Void
    ) async throws {
        let gate = Gate()
        try await withServer(
            .tls, lanes: 1, engine: { host, _, _ in HeldEngine(host, gate) }
        ) { server throws in
            let client = try Client(server.addresses[0], tls: .init(version: version))
            try client.send("a")
            gate.waiting.wait(for: 1)
            try burst(client)
            gate.open()
            try look(client)
        }
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `a read takes a bounded number of records`(_ version: Int32) async throws {
        let count = 5_000
        try await Self.hold(version) { client throws in
            for _ in 1..<count { try client.send("a") }
            try client.send("\n")
        } _: { client throws in
            let words = try client.line().split(separator: "|").compactMap { Int($0) }
            #expect(words.first == count)
            #expect(words.last.map { $0 <= 256 } == true, "\(words)")
        }
    }

    @Test(arguments: [(20, true), (1_000, false)])
    func `a client that changes its keys again and again is ended`(
        _ changes: Int, _ isTaken: Bool
    ) async throws {
        try await Self.hold(TLS1_3_VERSION) { client throws in
            for _ in 0..<changes { client.tls?.changeKeys(of: .own) }
            try client.send("\n")
        } _: { client throws in
            if isTaken {
                #expect(try client.line() == "1|1")
            } else {
                #expect(throws: TLSFailure.self) { try client.receiveSome() }
            }
        }
    }
}
