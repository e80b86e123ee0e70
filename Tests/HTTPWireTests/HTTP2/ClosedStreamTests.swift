import HTTPWire
import ServiceLimits
import Testing

private let get = HTTP2Client.get()
private let streamClosed = 5

/// What still comes on streams that are closed, or never were open (RFC 9113 section 5.1).
@Suite struct ClosedStreamTests {
    @Test(arguments: [Frame.data(1, [1]), .headers(1, HTTP2Client.get())])
    func `what follows the end of a stream ends the connection`(_ frame: Frame) {
        let open = HTTP2Client { _, _ in .discard }
        open.send(.headers(1, get), frame)
        #expect(open.goAway == streamClosed)

        let closed = HTTP2Client.echo()
        closed.send(.headers(1, get))
        closed.send(frame)
        #expect(closed.goAway == streamClosed && closed.wire.ending == .closeAfterLinger)

        let reset = HTTP2Client { _, _ in .discard }
        reset.send(.headers(1, HTTP2Client.post, end: false), .reset(1), frame)
        #expect(reset.goAway == streamClosed)
    }

    @Test func `what follows our reset is ignored`() {
        let client = HTTP2Client.echo()
        client.send(.headers(1, get + [("X", "y")], end: false))
        #expect(client.answer(1).reset == 1)
        client.send(.data(1, [1]), .headers(1, [("x", "y")]), .windowUpdate(1, 5), .reset(1))
        client.send(.headers(3, get))
        #expect(client.answer(3).status == 200 && client.goAway == nil)
    }

    @Test func `streams are begun in order`() {
        let client = HTTP2Client.echo()
        client.send(.headers(5, get))
        client.send(.headers(3, get))
        #expect(client.goAway == 1 && client.answers.count == 1)
    }

    @Test(arguments: [
        Frame.data(1, [1]), .reset(1), .windowUpdate(1, 1), .headers(2, HTTP2Client.get()),
        .headers(0, HTTP2Client.get()), Frame(.continuation, stream: 1),
        Frame(.data, flags: Frame.padded, stream: 0, [9, 0]), .windowUpdate(0, 0),
        Frame(.ping, [1]), Frame(.settings, [1]), Frame(.pushPromise, stream: 1, [0, 0, 0, 2]),
        Frame(.priority, stream: 0, [0, 0, 0, 3, 1]), .settings([(id: 2, value: 2)]),
        .settings([(id: 4, value: 1 << 31)]), .settings([(id: 5, value: 16_383)]),
    ]) func `a frame that the state forbids ends the connection`(_ frame: Frame) {
        let client = HTTP2Client.echo()
        client.send(frame)
        #expect(client.goAway ?? 0 > 0 && client.wire.ending == .closeAfterLinger)
        #expect(client.wire.handler.heads.isEmpty)
    }

    @Test func `a frame of a type that nobody knows is ignored`() {
        let client = HTTP2Client.echo()
        var frame = Frame(.data, stream: 1, [1, 2, 3])
        frame.kind = 0x42
        client.send(frame, .headers(1, get))
        #expect(client.answer(1).status == 200)
    }
}
