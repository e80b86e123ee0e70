import HTTPWire
import ServiceLimits
import Testing

private func get(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" }

@Suite struct ConnectionTests {
    @Test func `pipelined requests are answered one after another`() {
        let wire = Wire.echo()
        wire.send((0..<20).map { get("/\($0)") }.joined())
        #expect(wire.responses().map(\.body) == (0..<20).map { "/\($0)" })
        #expect(wire.kept.isEmpty)
    }

    @Test func `the next head is not parsed before the answer is written`() {
        let wire = Wire { _, _ in .discard }
        wire.send(get("/a") + get("/b"))
        #expect(wire.handler.heads.count == 1)
        #expect(wire.engine.readDemand == .none)
        wire.canWrite = false
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.handler.heads.count == 1)
        wire.canWrite = true
        wire.settle()
        #expect(wire.handler.heads.count == 2)
        wire.exchange.respond(Response(status: 201))
        wire.settle()
        #expect(wire.statuses == [200, 201])
    }

    @Test func `only requests that were not pipelined acknowledge an answer`() {
        let wire = Wire.echo()
        wire.send(get("/a"))
        #expect(wire.engine.acknowledgedAnswers == 0)
        wire.send(get("/b"))
        #expect(wire.engine.acknowledgedAnswers == 1)
        wire.send(get("/c") + get("/d"))
        #expect(wire.engine.acknowledgedAnswers == 2)
        wire.send("GET /e HTTP/1.1\r\n")
        #expect(wire.engine.acknowledgedAnswers == 2)
        wire.send("Host: a\r\n\r\n")
        #expect(wire.engine.acknowledgedAnswers == 3)
    }

    @Test func `an answer from another thread is queued to the lane`() {
        let wire = Wire { _, _ in .discard }
        wire.send(get("/"))
        wire.host.queue.isCurrent = false
        wire.exchange.respond(Response(status: 200))
        #expect(wire.written.isEmpty && wire.host.queue.work.count == 1)
        wire.host.queue.isCurrent = true
        wire.settle()
        #expect(wire.statuses == [200])
    }

    @Test func `after the peer's end an answer is still given, and what came is still served`() {
        let wire = Wire { _, _ in .discard }
        wire.send(get("/a") + get("/b"))
        wire.sendEnd()
        #expect(wire.ending == nil)
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.handler.heads.count == 2 && wire.ending == nil)
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.responses().map { $0.fields["connection"] } == [nil, "close"])
        #expect(wire.ending == .close)
    }

    @Test func `the peer's end on an idle connection or inside a head closes it silently`() {
        for text in ["", "GET / HT", get("/") + "GET"] {
            let wire = Wire.echo()
            wire.send(text)
            wire.sendEnd()
            #expect(wire.ending == .close)
            #expect(wire.statuses.count == wire.handler.heads.count)
        }
    }

    @Test func `the peer's end counts when what came before it is taken`() {
        let sink = FakeSink()
        sink.appetite = 0
        let wire = Wire.upload(sink)
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wire.sendEnd()
        #expect(sink.aborts.isEmpty && wire.ending == nil)
        sink.appetite = nil
        wire.exchange.resumeBody()
        wire.settle()
        #expect(sink.text == "ab")
        #expect(sink.aborts == [.disconnected])
        #expect(wire.ending == .close)
    }

    @Test func `the peer's end inside a discarded body is answered and closes`() {
        let wire = Wire { _, _ in .discard }
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wire.sendEnd()
        wire.exchange.respond(Response(status: 404))
        wire.settle()
        #expect(wire.statuses == [404])
        #expect(wire.responses()[0].fields["connection"] == "close")
        #expect(wire.ending == .close)
    }

    @Test func `a lost connection aborts its body once and forgets its exchange`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        wire.engine.disconnected()
        #expect(sink.aborts == [.disconnected])
        #expect(sink.finishes == 0)
        wire.exchange.respond(Response(status: 200))
        wire.exchange.resumeBody()
        wire.exchange.resumeResponse()
        wire.settle()
        #expect(wire.written.isEmpty)
        #expect(wire.engine.deadline == nil)
        #expect(!wire.engine.isReceivingBody)
    }

    @Test func `a finished body is not aborted when the connection is lost`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
        wire.engine.disconnected()
        #expect(sink.finishes == 1 && sink.aborts.isEmpty)
    }

    @Test func `a refusal after HEAD has its body`() {
        let wire = Wire.echo()
        wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.send("HEAD\r\n")
        #expect(wire.output.hasSuffix("}"))
    }

    @Test func `a shutdown closes an idle connection and lets others end`() {
        let idle = Wire.echo()
        idle.send(get("/"))
        idle.shutDown()
        #expect(idle.ending == .close)

        let begun = Wire.echo()
        begun.send("GET / HT")
        begun.shutDown()
        #expect(begun.ending == .close)

        let sink = FakeSink()
        let uploading = Wire.upload(sink)
        sink.onFinish = { uploading.exchange.respond(Response(status: 200)) }
        uploading.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        uploading.shutDown()
        #expect(uploading.ending == nil)
        uploading.send("cde" + get("/"))
        #expect(uploading.statuses == [200])
        #expect(uploading.responses()[0].fields["connection"] == "close")
        #expect(uploading.ending == .closeAfterLinger)
        #expect(uploading.handler.heads.count == 1)

        let dropped = Wire.upload(sink)
        dropped.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        dropped.shutDown()
        dropped.engine.disconnected()
        #expect(sink.aborts == [.shuttingDown])
    }

    @Test func `an unfinished body is refused at the end of the grace, and kept out`() {
        for head in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            for appetite in [nil, 0] {
                let sink = FakeSink()
                sink.appetite = appetite
                let wire = Wire.upload(sink)
                wire.send("POST / HTTP/1.1\r\nHost: a\r\n\(head)\r\n\r\n2")
                wire.shutDown()
                #expect(wire.written.isEmpty)
                wire.endGrace(leaving: .seconds(2))
                #expect(sink.aborts == [.shuttingDown] && sink.finishes == 0)
                let answer = wire.responses().first
                #expect(wire.statuses == [503])
                #expect(answer?.fields["connection"] == "close")
                #expect(answer?.fields["retry-after"] == "5")
                #expect(answer?.fields["content-type"] == "application/problem+json")
                #expect(wire.output.contains(#""type":"/problems/shutting-down""#))
                #expect(wire.ending == .closeAfterLinger)
            }
        }
    }

    @Test func `a client that waits for 100 Continue gets the refusal instead`() {
        let sink = FakeSink()
        let wire = Wire { _, _ in .acceptLater(sink) }
        wire.send(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        wire.shutDown()
        wire.endGrace(leaving: .seconds(2))
        wire.exchange.resumeBody()
        wire.settle()
        #expect(wire.statuses == [503] && sink.aborts == [.shuttingDown])
    }

    @Test func `a complete request may be under way, and keeps its answer`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
        wire.shutDown()
        wire.endGrace(leaving: .seconds(2))
        #expect(wire.written.isEmpty && sink.aborts.isEmpty)
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.statuses == [200] && wire.ending == .closeAfterLinger)
    }

    @Test func `an answer before the body's end is not reset by a shutdown`() {
        let wire = Wire { _, exchange in
            exchange.respond(Response(status: 404))
            return .discard
        }
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        #expect(wire.statuses == [404] && wire.ending == nil)
        wire.shutDown()
        #expect(wire.ending == .closeAfterLinger)
    }

    @Test func `a connection that is gone is not kept alive by its exchanges`() {
        weak var engine: (any WireEngine)?
        weak var host: FakeHost?
        weak var sink: FakeSink?
        var exchange: (any Exchange)?
        let queue: FakeLane
        do {
            let body = FakeSink()
            let wire = Wire.upload(body)
            wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
            (engine, host, sink, exchange) = (wire.engine, wire.host, body, wire.exchange)
            queue = wire.host.queue
            #expect(engine != nil)
            wire.engine.disconnected()
        }
        #expect(engine == nil && host == nil && sink == nil)
        exchange?.respond(Response(status: 200))
        #expect(queue.work.isEmpty)
        // What the service began for this client it can still end on the lane.
        exchange?.resumeBody()
        exchange?.onLane {}
        #expect(queue.work.count == 2)
        for work in queue.work { work() }
    }

    @Test func `an answered sink is let go of`() {
        weak var sink: FakeSink?
        let wire = Wire { _, _ in
            let body = FakeSink()
            sink = body
            return .accept(body)
        }
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        #expect(sink != nil)
        wire.exchange.respond(Response(status: 200))
        #expect(sink == nil)
    }
}
