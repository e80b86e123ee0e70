import HTTPWire
import ServiceLimits
import Testing

private let post = HTTP2Client.post

@Suite struct HTTP2BodyTests {
    @Test func `a body arrives whole however its frames are cut`() {
        let body = Array("hello world".utf8)
        let frames = [
            .headers(1, post, end: false), .data(1, Array(body[..<5])), .data(1, []),
            Frame(.data, flags: Frame.padded, stream: 1, [3] + body[5..<8] + [0, 0, 0]),
            .data(1, Array(body[8...]), end: true),
        ].flatMap(\.bytes)
        for cut in 0...frames.count {
            let sink = FakeSink()
            let client = HTTP2Client.upload(sink)
            client.wire.send(Array(frames[..<cut]))
            client.wire.send(Array(frames[cut...]))
            client.read()
            #expect(sink.text == "hello world" && sink.finishes == 1 && sink.aborts.isEmpty)
            #expect(client.answer(1).status == 200 && client.answer(1).reset == nil)
        }
    }

    @Test func `a body that was paused is pushed in order, and its window opens when it is taken`()
    {
        let sink = FakeSink()
        sink.appetite = 10
        let client = HTTP2Client.upload(sink)
        let body = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        client.send(.headers(1, post, end: false))
        for start in stride(from: 0, to: 60_000, by: 10_000) {
            client.send(.data(1, Array(body[start..<start + 10_000])))
        }
        #expect(sink.bytes.count == 10)
        #expect(client.windowGiven(1) == 0)
        #expect(client.wire.engine.readDemand == .bytes(atLeast: 1))

        sink.appetite = 40_000
        client.wire.exchange.resumeBody()
        client.settle()
        #expect(sink.bytes.count == 40_010)
        #expect(client.windowGiven(1) == 40_010)
        client.send(.data(1, [], end: true))
        #expect(sink.finishes == 0)
        sink.appetite = nil
        client.wire.exchange.resumeBody()
        client.settle()
        #expect(sink.bytes == body && sink.finishes == 1)
        #expect(client.answer(1).status == 200)
    }

    @Test func `a paused stream holds up no other`() {
        let paused = FakeSink()
        let eager = FakeSink()
        paused.appetite = 0
        let client = HTTP2Client { head, _ in .accept(head.path == "/p" ? paused : eager) }
        client.send(.headers(1, post, end: false))
        for _ in 0..<6 { client.send(.data(1, [UInt8](repeating: 1, count: 10_000))) }
        let other = [(":method", "PUT"), (":scheme", "http"), (":path", "/q"), (":authority", "a")]
        client.send(.headers(3, other, end: false))
        for _ in 0..<30 { client.send(.data(3, [UInt8](repeating: 2, count: 10_000))) }
        client.send(.data(3, [], end: true))
        #expect(eager.bytes.count == 300_000 && eager.finishes == 1)
        #expect(paused.bytes.isEmpty && client.wire.engine.isReceivingBody)
        #expect(client.windowGiven(3) >= 300_000 - 65_536)
    }

    @Test func `nothing is pushed to a sink that comes later before it is resumed`() {
        let sink = FakeSink()
        let client = HTTP2Client { _, _ in .acceptLater(sink) }
        client.send(
            .headers(1, post + [("expect", "100-continue")], end: false), .data(1, [1, 2, 3]))
        #expect(sink.chunks.isEmpty && client.answer(1).interim.isEmpty)
        client.wire.exchange.resumeBody()
        client.settle()
        #expect(sink.bytes == [1, 2, 3])
        #expect(client.answer(1).interim.isEmpty)
    }

    @Test(arguments: [-1, 0, 1])
    func `a client that overruns its first window loses the stream`(_ excess: Int) {
        let sink = FakeSink()
        sink.appetite = 0
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, post, end: false))
        let early = [UInt8](repeating: 1, count: Limits().initialWindow + excess)
        for start in stride(from: 0, to: early.count, by: 16_384) {
            client.send(.data(1, Array(early[start...].prefix(16_384))))
        }
        #expect(client.answer(1).reset == (excess > 0 ? 3 : nil))
        #expect(sink.aborts == (excess > 0 ? [.malformed] : []))
        #expect(client.wire.ending == nil)
    }

    @Test(arguments: [-1, 0, 1])
    func `a frame larger than announced for a wanted body ends the connection`(_ excess: Int) {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, post, end: false))
        client.wire.exchange.widenWindow()
        client.settle()
        let count = Limits().frameBytes + excess
        client.send(
            Frame(.settings, flags: Frame.ack), .data(1, [UInt8](repeating: 1, count: count)))
        #expect(client.goAway == (excess > 0 ? 6 : nil))
        #expect(sink.bytes.count == (excess > 0 ? 0 : count))
    }

    @Test func `a body whose turn has come gets the large window`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, post, end: false))
        #expect(client.windowGiven(1) == 0)
        client.wire.exchange.widenWindow()
        client.settle()
        #expect(client.windowGiven(1) == Limits().streamWindow - Limits().initialWindow)
        // SETTINGS_MAX_FRAME_SIZE.
        #expect(client.frames.last { $0.is(.settings) }?.payload == [0, 5, 0, 16, 0, 0])
        let connection = Limits().streamWindow + Limits().streams * Limits().initialWindow
        #expect(client.windowGiven(0) == connection - 65_535)
    }

    @Test(arguments: [("4", false), ("6", true), ("6", false)])
    func `a body of another length than declared is malformed`(_ length: String, _ end: Bool) {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(
            .headers(1, post + [("content-length", length)], end: false),
            .data(1, [1, 2, 3, 4, 5], end: end))
        if !end { client.send(.data(1, [], end: true)) }
        #expect(sink.finishes == 0 && sink.aborts == [.malformed])
        #expect(client.answer(1).reset == 1)
    }

    @Test func `trailers end a body and are ignored`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(
            .headers(1, post, end: false), .data(1, [1]), .headers(1, [("x", "y")], end: true))
        #expect(sink.bytes == [1] && sink.finishes == 1)
        #expect(client.answer(1).status == 200)
    }

    @Test(arguments: [(8191, 200), (8192, 200), (8193, 431)])
    func `trailers have their limit`(_ count: Int, _ status: Int) {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        let trailer = ("x", String(repeating: "y", count: count - 3))
        client.send(.headers(1, post, end: false), .data(1, [1]), .headers(1, [trailer], end: true))
        #expect(client.answer(1).status == status)
        #expect(sink.finishes == (status == 200 ? 1 : 0))
    }

    @Test func `pseudo-fields in trailers are malformed`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(
            .headers(1, post, end: false), .headers(1, [(":path", "/")], end: true))
        #expect(sink.finishes == 0 && sink.aborts == [.malformed])
        #expect(client.answer(1).reset == 1)
    }

    // MARK: Ends

    @Test func `a stream that the client resets ends its sink and gives the window back`() {
        let sink = FakeSink()
        sink.appetite = 0
        let client = HTTP2Client.upload(sink)
        // More than half of the connection's window, so that it is given back at once.
        client.send(.headers(1, post, end: false))
        client.wire.exchange.widenWindow()
        client.settle()
        client.send(Frame(.settings, flags: Frame.ack))
        let before = client.windowGiven(0)
        for _ in 0..<12 { client.send(.data(1, [UInt8](repeating: 1, count: 1_000_000))) }
        #expect(client.windowGiven(0) == before)
        client.send(.reset(1))
        #expect(sink.aborts == [.disconnected])
        #expect(client.windowGiven(0) == before + 12_000_000)
        #expect(!client.wire.engine.isReceivingBody)
        client.wire.exchange.respond(Response(status: 200))
        client.wire.exchange.resumeBody()
        client.settle()
        #expect(client.answer(1).status == 0)
    }

    @Test(arguments: [false, true])
    func `a client that vanishes at any byte never finishes a body`(_ isReset: Bool) {
        let frames = [.headers(1, post, end: false), Frame.data(1, [1, 2, 3], end: true)]
            .flatMap(\.bytes)
        for cut in 0..<frames.count {
            let sink = FakeSink()
            let client = HTTP2Client.upload(sink)
            client.wire.send(Array(frames[..<cut]))
            if isReset { client.wire.engine.disconnected() } else { client.wire.sendEnd() }
            #expect(sink.finishes == 0)
            #expect(sink.aborts == (client.wire.handler.heads.isEmpty ? [] : [.disconnected]))
            #expect(isReset || client.wire.ending == .close)
        }
    }

    @Test func `a client that has said all gets its answer after its end`() {
        let client = HTTP2Client { _, _ in .discard }
        client.send(.headers(1, post))
        client.wire.sendEnd()
        #expect(client.wire.ending == nil)
        client.wire.exchange.respond(Response(status: 200, body: .bytes([1])))
        client.settle()
        #expect(client.answer(1).isComplete && client.wire.ending == .close)
    }

    @Test func `a connection that is gone is not kept alive by its exchanges`() {
        weak var engine: (any WireEngine)?
        weak var host: FakeHost?
        weak var sink: FakeSink?
        var exchange: (any Exchange)?
        do {
            let body = FakeSink()
            let wire = Wire.upload(body)
            let client = HTTP2Client(wire)
            client.send(.headers(1, post, end: false), .data(1, [1]))
            (engine, host, sink, exchange) = (wire.engine, wire.host, body, wire.exchange)
            wire.engine.disconnected()
            #expect(body.aborts == [.disconnected])
        }
        #expect(engine == nil && host == nil && sink == nil)
        exchange?.respond(Response(status: 200))
        exchange?.resumeBody()
    }

    // MARK: What the transport should read

    @Test func `inside a frame of a body as much is awaited as is left of it`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        #expect(client.wire.engine.readDemand == .bytes(atLeast: 1))
        let bytes = Frame.data(1, [UInt8](repeating: 1, count: 1000)).bytes
        client.wire.send(Frame.headers(1, post, end: false).bytes)
        #expect(client.wire.engine.readDemand == .bytes(atLeast: 1))
        for cut in [9, 10, 500, 1008] {
            let sink = FakeSink()
            let client = HTTP2Client.upload(sink)
            client.wire.send(Frame.headers(1, post, end: false).bytes + bytes[..<cut])
            #expect(client.wire.engine.readDemand == .bytes(atLeast: 1009 - cut))
            client.wire.send(Array(bytes[cut...]))
            #expect(client.wire.engine.readDemand == .bytes(atLeast: 1))
            #expect(sink.bytes.count == 1000)
        }
    }
}
