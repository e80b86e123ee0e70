import HTTPWire
import ServiceLimits
import Testing

private let get = HTTP2Client.get()
private let enhanceYourCalm = 11

/// RFC 9113 section 10.5, and the attacks that were published since.
@Suite struct FloodTests {
    /// Frames of one kind until the connection ends.
    ///
    /// - Returns: how many were taken.
    private func flood(
        _ client: HTTP2Client, limit: Int = 30_000, _ frames: (Int) -> [Frame]
    ) -> Int {
        for round in 0..<limit {
            client.send(frames(round))
            if client.wire.ending != nil { return round }
        }
        return limit
    }

    private static let kinds: [(String, Int, Frame)] = [
        ("PING", 2000, Frame(.ping, [UInt8](repeating: 0, count: 8))),
        ("SETTINGS", 500, .settings([(id: 4, value: 100)])),
        ("PRIORITY", 2000, Frame(.priority, stream: 9, [0, 0, 0, 3, 1])),
        ("empty DATA", 2000, .data(1, [])), ("WINDOW_UPDATE", 10_000, .windowUpdate(0, 1)),
    ]

    @Test(arguments: kinds)
    func `frames that lead nowhere end the connection`(
        _ name: String, _ expected: Int, _ frame: Frame
    ) {
        let sink = FakeSink()
        let client = HTTP2Client { _, _ in .accept(sink) }
        client.send(.headers(1, HTTP2Client.post, end: false))
        let taken = flood(client) { _ in [frame] }
        #expect(expected - 50...expected ~= taken, "\(name)")
        #expect(client.goAway == enhanceYourCalm)
        #expect(client.wire.ending == .closeAfterLinger)
    }

    @Test func `slow ones are taken for ever`() {
        let client = HTTP2Client.echo()
        for _ in 0..<3000 {
            client.send(Frame(.ping, [UInt8](repeating: 0, count: 8)))
            client.wire.advance(.milliseconds(2))
        }
        #expect(client.wire.ending == nil)
    }

    @Test func `requests that are reset at once end the connection, the rapid reset`() {
        let client = HTTP2Client { _, _ in .discard }
        let taken = flood(client) { [.headers(2 * $0 + 1, get), .reset(2 * $0 + 1)] }
        #expect(170...200 ~= taken)
        #expect(client.goAway == enhanceYourCalm)
    }

    @Test func `requests that make us reset them end the connection, MadeYouReset`() {
        let client = HTTP2Client { _, _ in .discard }
        let taken = flood(client) {
            [.headers(2 * $0 + 1, get), .windowUpdate(2 * $0 + 1, Int(Int32.max))]
        }
        #expect(170...200 ~= taken)
        #expect(client.goAway == enhanceYourCalm)
    }

    @Test func `malformed heads end the connection`() {
        let client = HTTP2Client.echo()
        let taken = flood(client) { [.headers(2 * $0 + 1, get + [("X", "y")])] }
        #expect(170...200 ~= taken && client.goAway == enhanceYourCalm)
    }

    @Test func `a head without end is cut off`() {
        let client = HTTP2Client.echo()
        client.send(Frame(.headers, stream: 1, HPACK.block(get)))
        let field = HPACK.block([("x", String(repeating: "y", count: 16_000))])
        let taken = flood(client) { _ in [Frame(.continuation, stream: 1, field)] }
        #expect(taken <= 9 && client.goAway == enhanceYourCalm)
        #expect(client.wire.handler.heads.isEmpty)
    }

    @Test func `empty CONTINUATIONs are cut off`() {
        let client = HTTP2Client.echo()
        client.send(Frame(.headers, stream: 1, HPACK.block(get)))
        let taken = flood(client) { _ in [Frame(.continuation, stream: 1)] }
        #expect(taken <= 2000 && client.goAway == enhanceYourCalm)
    }

    /// A field of 4 kB in the dynamic table, then a reference to it in each byte.
    @Test func `a few bytes that name megabytes are cut off`() {
        let client = HTTP2Client.echo()
        let name = [0x40] + HPACK.text("x") + HPACK.text(String(repeating: "y", count: 4000))
        let bomb = HPACK.block(get) + name + [UInt8](repeating: 0x80 | 62, count: 12_000)
        client.send(
            Frame(.headers, flags: Frame.endHeaders | Frame.endStream, stream: 1, bomb))
        #expect(client.goAway == enhanceYourCalm)
        #expect(client.wire.handler.heads.isEmpty)
    }

    @Test func `a few fields too many are answered`() {
        let client = HTTP2Client.echo()
        let name = [0x40] + HPACK.text("x") + HPACK.text(String(repeating: "y", count: 4000))
        let block = HPACK.block(get) + name + [UInt8](repeating: 0x80 | 62, count: 20)
        client.send(
            Frame(.headers, flags: Frame.endHeaders | Frame.endStream, stream: 1, block))
        #expect(client.answer(1).status == 431 && client.answer(1).reset == nil)
    }

    @Test func `a client that makes us answer and reads nothing is not read`() {
        let client = HTTP2Client.echo()
        client.wire.canWrite = false
        let ping = Frame(.ping, [UInt8](repeating: 0, count: 8))
        for _ in 0..<201 { client.send(ping) }
        #expect(client.wire.engine.readDemand == .none)
        client.wire.canWrite = true
        client.settle()
        #expect(client.wire.engine.readDemand == .bytes(atLeast: 1))
        #expect(client.frames.filter { $0.is(.ping) }.count == 201)
    }

    @Test func `thousands of requests that are answered are no flood`() {
        let client = HTTP2Client.echo()
        for round in 0..<5_000 {
            let stream = 2 * round + 1
            client.wire.send(
                (Frame.headers(stream, get).bytes + Frame.windowUpdate(0, 1).bytes))
        }
        client.read()
        #expect(client.answers.count == 5_000 && client.wire.ending == nil)
    }

    @Test func `an upload in small frames is no flood`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, HTTP2Client.post, end: false))
        let frame = Frame.data(1, [UInt8](repeating: 1, count: 64)).bytes
        for _ in 0..<500 { client.wire.send(Array(repeating: frame, count: 50).flatMap { $0 }) }
        #expect(sink.bytes.count == 500 * 50 * 64 && client.wire.ending == nil)
    }
}
