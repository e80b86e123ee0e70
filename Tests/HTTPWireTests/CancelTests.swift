import HTTPWire
import ServiceLimits
import Synchronization
import Testing

/// `Exchange.onCancel` over both versions.
@Suite struct CancelTests {
    final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        var count: Int { value.load(ordering: .relaxed) }
        func add() { value.add(1, ordering: .relaxed) }
    }

    /// Counts the requests, in order of their coming, that are cancelled.
    private final class Handler {
        var counters: [Counter] = []

        func handle(_ head: RequestHead, _ exchange: any Exchange) -> BodyDisposition {
            let counter = Counter()
            counters.append(counter)
            CodingExchange.around(exchange, head.fields).onCancel { counter.add() }
            return .discard
        }

        var counts: [Int] { counters.map(\.count) }
    }

    private let handler = Handler()
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"

    private func wire(_ limits: Limits = Limits()) -> Wire {
        Wire(limits: limits) { [handler] in handler.handle($0, $1) }
    }

    private func client(_ limits: Limits = Limits()) -> HTTP2Client { HTTP2Client(wire(limits)) }

    @Test func `a connection that is lost cancels its request once`() {
        let wire = wire()
        wire.send(Self.get)
        #expect(handler.counts == [0])
        wire.engine.disconnected()
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(handler.counts == [1])
    }

    @Test func `the end of what a client sends cancels nothing`() {
        let wire = wire()
        wire.send(Self.get)
        wire.sendEnd()
        #expect(handler.counts == [0])
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.statuses == [200] && handler.counts == [0])
    }

    @Test(arguments: [false, true])
    func `an answered request is not cancelled`(_ isOnLane: Bool) {
        let wire = wire()
        wire.canWrite = false
        wire.send(Self.get)
        wire.host.queue.isCurrent = isOnLane
        wire.exchange.respond(Response(status: 200))
        wire.host.queue.isCurrent = true
        wire.engine.disconnected()
        wire.settle()
        #expect(handler.counts == [0])
    }

    @Test(arguments: ["Content-Length: 5\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n"])
    func `a request is cancelled that the wire refuses`(_ body: String) {
        for isMalformed in [false, true] where !isMalformed || body.hasSuffix("chunked\r\n\r\n") {
            let wire = wire()
            wire.send("GET / HTTP/1.1\r\nHost: a\r\n\(body)")
            if isMalformed { wire.send("x\r\n") } else { wire.advance(.seconds(3600)) }
            #expect(handler.counters.last?.count == 1)
            wire.exchange.respond(Response(status: 200))
            wire.settle()
            #expect(wire.statuses == [isMalformed ? 400 : 408])
        }
    }

    @Test func `a body's end before its time cancels the request`() {
        let sink = FakeSink()
        let counter = Counter()
        let wire = Wire { _, exchange in
            exchange.onCancel { counter.add() }
            return .accept(sink)
        }
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wire.sendEnd()
        #expect(counter.count == 1 && sink.aborts == [.disconnected])
    }

    @Test func `who asks too late, or from another thread, is told on the lane`() {
        let counter = Counter()
        let wire = Wire { _, _ in .discard }
        wire.send(Self.get)
        wire.host.queue.isCurrent = false
        wire.exchange.onCancel { counter.add() }
        wire.host.queue.isCurrent = true
        wire.settle()
        wire.engine.disconnected()
        #expect(counter.count == 1)
        wire.exchange.onCancel { counter.add() }
        #expect(counter.count == 1)
        wire.settle()
        #expect(counter.count == 2)
    }

    @Test func `what is to be called is let go of with the answer`() {
        weak var held: Counter?
        let wire = Wire { _, exchange in
            let counter = Counter()
            held = counter
            exchange.onCancel { counter.add() }
            return .discard
        }
        wire.send(Self.get)
        #expect(held != nil)
        wire.exchange.respond(Response(status: 200))
        wire.handler.exchanges = []
        wire.settle()
        #expect(held == nil)
    }

    // MARK: HTTP/2

    @Test func `a stream that is reset is cancelled and no other`() {
        let client = client()
        for stream in [1, 3, 5] { client.send(.headers(stream, HTTP2Client.get())) }
        client.send(.reset(3))
        #expect(handler.counts == [0, 1, 0])
        client.wire.handler.exchanges[0].respond(Response(status: 200))
        client.settle()
        #expect(client.answer(1).status == 200)
        client.wire.engine.disconnected()
        #expect(handler.counts == [0, 1, 1])
    }

    @Test func `a stream is cancelled after its client's end only when it is lost`() {
        let client = client()
        for stream in [1, 3] { client.send(.headers(stream, HTTP2Client.get())) }
        client.wire.sendEnd()
        client.wire.handler.exchanges[0].respond(Response(status: 200))
        client.settle()
        #expect(client.answer(1).status == 200)
        #expect(handler.counts == [0, 0])
        client.wire.engine.disconnected()
        #expect(handler.counts == [0, 1])
    }

    @Test func `an answered stream is not cancelled`() {
        let client = client()
        client.send(.headers(1, HTTP2Client.get()))
        client.wire.host.queue.isCurrent = false
        client.wire.exchange.respond(Response(status: 200))
        client.wire.host.queue.isCurrent = true
        client.send(.reset(1))
        #expect(handler.counts == [0])
    }

    @Test func `a stream is cancelled whose body comes too slowly`() {
        let client = client()
        client.send(.headers(1, HTTP2Client.get(), end: false), .data(1, [1]))
        for _ in 0..<60 { client.advance(.seconds(1)) }
        #expect(client.answer(1).status == 408)
        #expect(handler.counts == [1])
    }

    @Test func `who asks too late is told of a stream, too`() {
        let counter = Counter()
        let client = HTTP2Client { _, _ in .discard }
        client.send(.headers(1, HTTP2Client.get()), .reset(1))
        client.wire.exchange.onCancel { counter.add() }
        #expect(counter.count == 0)
        client.settle()
        #expect(counter.count == 1)
    }
}
