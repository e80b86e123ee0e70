import HTTPWire
import ServiceLimits
import Testing

private let get = HTTP2Client.get()
private let post = HTTP2Client.post

/// All times are a fake clock's. While a stream is open they are looked at once a second.
@Suite struct HTTP2DeadlineTests {
    @Test func `a client that sends no settings is let go of after a head's time`() {
        let client = HTTP2Client(Wire.echo(), opens: false)
        client.wire.send(Frame.preface)
        client.advance(.milliseconds(9_999))
        #expect(client.wire.ending == nil)
        client.advance(.milliseconds(1))
        #expect(client.goAway == 0 && client.wire.ending == .closeAfterLinger)
    }

    @Test func `an idle connection is closed in order`() {
        let client = HTTP2Client.echo()
        for stream in [1, 3] {
            client.advance(.milliseconds(74_999))
            client.send(.headers(stream, get))
        }
        client.advance(.milliseconds(74_999))
        #expect(client.wire.ending == nil && client.answers.count == 2)
        client.advance(.milliseconds(1))
        #expect(client.goAway == 0 && client.wire.ending == .closeAfterLinger)
    }

    @Test func `a PING does not keep an idle connection`() {
        let client = HTTP2Client.echo()
        client.advance(.seconds(74))
        client.send(Frame(.ping, [UInt8](repeating: 0, count: 8)))
        client.advance(.seconds(1))
        #expect(client.wire.ending == .closeAfterLinger)
    }

    @Test func `a request that lies unread when the idle time ends is not cut`() {
        let client = HTTP2Client.echo()
        client.advance(.seconds(75), unreadBytes: 10)
        client.send(.headers(1, get))
        #expect(client.answer(1).status == 200 && client.goAway == nil)
    }

    @Test func `a head that comes too slowly ends the connection`() {
        for cut in [9, 20] {
            let client = HTTP2Client.echo()
            client.advance(.seconds(5))
            client.wire.send(Array(Frame.headers(1, get).bytes[..<cut]))
            client.advance(.milliseconds(9_999))
            #expect(client.wire.ending == nil)
            client.advance(.milliseconds(1))
            #expect(client.goAway == 1 && client.wire.ending == .closeAfterLinger)
        }
    }

    @Test func `a head without its CONTINUATION ends the connection`() {
        let client = HTTP2Client.echo()
        client.send(Frame(.headers, flags: Frame.endStream, stream: 1, HPACK.block(get)))
        client.advance(.seconds(10))
        #expect(client.goAway == 1 && client.wire.handler.heads.isEmpty)
    }

    @Test func `a malformed head leaves no deadline behind`() {
        let client = HTTP2Client { _, _ in .discard }
        client.send(.headers(1, get), .headers(3, get + [("X", "y")]))
        client.advance(.seconds(70))
        #expect(client.answer(3).reset == 1 && client.wire.ending == nil)
    }

    @Test func `while an answer is awaited nothing ends`() {
        let client = HTTP2Client { _, _ in .discard }
        client.send(.headers(1, get))
        for _ in 0..<200 { client.advance(.seconds(1)) }
        #expect(client.wire.ending == nil && client.answer(1) == HTTP2Client.Answer())
    }

    // MARK: Bodies

    @Test func `a body that stalls is answered with 408, and the others go on`() {
        let sink = FakeSink()
        let client = HTTP2Client { head, _ in head.path == "/p" ? .accept(sink) : .discard }
        client.send(.headers(1, post, end: false), .data(1, [1]), .headers(3, get))
        for _ in 0..<19 { client.advance(.seconds(1)) }
        #expect(sink.aborts.isEmpty)
        for _ in 0..<2 { client.advance(.seconds(1)) }
        #expect(sink.aborts == [.timedOut] && sink.finishes == 0)
        let answer = client.answer(1)
        #expect(answer.status == 408 && answer.isComplete && answer.reset == 0)
        #expect(client.answer(3).reset == nil && client.wire.ending == nil)
    }

    @Test func `bytes that lie unread belong to the stream whose frame is coming`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, post, end: false))
        client.wire.send(Array(Frame.data(1, [UInt8](repeating: 1, count: 16_000)).bytes[..<10]))
        for second in 1...30 { client.advance(.seconds(1), unreadBytes: 500 * second) }
        #expect(sink.aborts.isEmpty)
        for _ in 0..<21 { client.advance(.seconds(1), unreadBytes: 15_000) }
        #expect(sink.aborts == [.timedOut])
    }

    @Test func `time in which the sink takes nothing does not count`() {
        let sink = FakeSink()
        sink.appetite = 0
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, post, end: false), .data(1, [1]))
        for _ in 0..<100 { client.advance(.seconds(1)) }
        #expect(sink.aborts.isEmpty)
        sink.appetite = nil
        client.wire.exchange.resumeBody()
        client.settle()
        for _ in 0..<19 { client.advance(.seconds(1)) }
        #expect(sink.aborts.isEmpty)
        for _ in 0..<2 { client.advance(.seconds(1)) }
        #expect(sink.aborts == [.timedOut])
    }

    @Test func `a body nobody wants is not waited for for ever`() {
        let client = HTTP2Client { _, exchange in
            exchange.respond(Response(status: 404))
            return .discard
        }
        client.send(.headers(1, post + [("content-length", "5")], end: false))
        #expect(client.answer(1).reset == nil)
        for _ in 0..<21 { client.advance(.seconds(1)) }
        #expect(client.answer(1).reset == 0)
    }

    // MARK: Readers

    @Test func `a reader that keeps its window shut loses its stream only`() {
        let client = HTTP2Client(settings: [(id: 4, value: 30)]) { _, exchange in
            exchange.respond(Response(status: 200, body: .slice(slice(100))))
            return .discard
        }
        client.send(.headers(1, get), .headers(3, get))
        for _ in 0..<40 { client.advance(.seconds(1)) }
        client.send(.windowUpdate(3, 1))
        for _ in 0..<19 { client.advance(.seconds(1)) }
        #expect(client.answer(1).reset == nil)
        for _ in 0..<2 { client.advance(.seconds(1)) }
        #expect(client.answer(1).reset == 8 && client.answer(3).reset == nil)
        for _ in 0..<41 { client.advance(.seconds(1)) }
        #expect(client.answer(3).reset == 8 && client.wire.ending == nil)
    }

    @Test func `a source that waits is not a reader's fault`() {
        let client = HTTP2Client { _, exchange in
            exchange.respond(
                Response(status: 200, body: .stream(length: nil, FakeSource([.wait, .end]))))
            return .discard
        }
        client.send(.headers(1, get))
        for _ in 0..<100 { client.advance(.seconds(1)) }
        #expect(client.answer(1).reset == nil)
        client.wire.exchange.resumeResponse()
        client.settle()
        #expect(client.answer(1).isComplete)
    }

    // MARK: Shutdown

    @Test func `an idle connection is closed at once when the service stops`() {
        let client = HTTP2Client.echo()
        client.wire.shutDown()
        client.read()
        #expect(client.goAway == 0 && client.wire.ending == .closeAfterLinger)
    }

    @Test func `streams in progress finish when the service stops`() {
        let client = HTTP2Client { _, _ in .discard }
        client.send(.headers(1, get))
        client.wire.shutDown()
        // What was on its way is still served; then no more.
        client.send(.headers(3, get))
        client.advance(.seconds(1))
        let goAways = client.frames.filter { $0.is(.goAway) }
        #expect(goAways.map { $0.number(at: 0) } == [Int(Int32.max), 3])
        client.send(.headers(5, get))
        #expect(client.wire.handler.heads.count == 2)
        for exchange in client.wire.handler.exchanges { exchange.respond(Response(status: 200)) }
        client.settle()
        #expect(client.answer(1).isComplete && client.answer(3).isComplete)
        #expect(client.goAway == 0 && client.wire.ending == .closeAfterLinger)
    }

    @Test func `unfinished bodies are refused at the end of the grace, the others wait`() {
        let sink = FakeSink()
        let client = HTTP2Client { head, _ in head.method == "GET" ? .discard : .accept(sink) }
        client.send(.headers(1, get), .headers(3, post, end: false), .data(3, [1]))
        client.wire.shutDown()
        client.wire.endGrace(leaving: .seconds(2))
        client.read()
        #expect(sink.aborts == [.shuttingDown] && sink.finishes == 0)
        #expect(client.answer(3).status == 503 && client.answer(3).isComplete)
        #expect(client.answer(3).fields["retry-after"] == "5")
        #expect(client.answer(3).text.contains(#""type":"/problems/shutting-down""#))
        // It may still send, so that it finds the answer; and it begins no more.
        #expect(client.answer(3).reset == nil && client.windowGiven(3) > 1_000_000)
        #expect(client.frames.last { $0.is(.goAway) }?.number(at: 0) == 3)
        client.send(.headers(5, get), .data(3, [UInt8](repeating: 1, count: 10_000)))
        #expect(client.wire.handler.heads.count == 2 && sink.bytes == [1])

        client.advance(.seconds(1))
        #expect(client.answer(3).reset == 0 && client.answer(1).status == 0)
        client.wire.handler.exchanges[0].respond(Response(status: 200))
        client.settle()
        #expect(client.answer(1).isComplete)
        #expect(client.goAway == 0 && client.wire.ending == .closeAfterLinger)
    }

    @Test func `a rest that was to be dropped does not hold up the end`() {
        let client = HTTP2Client { _, exchange in
            exchange.respond(Response(status: 404))
            return .discard
        }
        client.send(.headers(1, post, end: false))
        #expect(client.answer(1).isComplete && client.answer(1).reset == nil)
        client.wire.shutDown()
        client.wire.endGrace(leaving: .seconds(2))
        client.advance(.seconds(1))
        #expect(client.answer(1).reset == 0)
        #expect(client.goAway == 0 && client.wire.ending == .closeAfterLinger)
    }

    @Test func `a body that is cut by the service's end is told so`() {
        let sink = FakeSink()
        let client = HTTP2Client.upload(sink)
        client.send(.headers(1, post, end: false))
        client.wire.shutDown()
        client.wire.engine.disconnected()
        #expect(sink.aborts == [.shuttingDown])
    }
}
