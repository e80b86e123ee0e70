import HTTPWire
import ServiceLimits
import Testing

private func upload(_ length: Int, expect: Bool = false) -> String {
    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n"
        + (expect ? "Expect: 100-continue\r\n" : "") + "\r\n"
}

private let interim = "HTTP/1.1 100 Continue\r\n\r\n"
private let get = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

/// `Expect: 100-continue` (RFC 9110 section 10.1.1) and answers before the body's end.
@Suite struct EarlyAnswerTests {
    private func refusing(_ limits: Limits = Limits()) -> Wire {
        Wire(limits: limits) { _, exchange in
            exchange.respond(Response(status: 404))
            return .discard
        }
    }

    /// Accepts the body of a POST; other requests have none.
    private func accepting(_ sink: FakeSink) -> Wire {
        Wire { head, _ in head.method == "POST" ? .accept(sink) : .discard }
    }

    @Test func `an accepted body that is waited for gets one interim answer`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        sink.onFinish = { wire.exchange.respond(Response(status: 200)) }
        wire.send(upload(5, expect: true))
        #expect(wire.output == interim)
        wire.send("hello")
        #expect(wire.output.hasPrefix(interim + "HTTP/1.1 200 OK\r\n"))
        #expect(sink.text == "hello")
        #expect(wire.ending == nil)
        #expect(wire.responses()[1].fields["connection"] == nil)
    }

    @Test func `a client that did not wait gets no interim answer`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        sink.onFinish = { wire.exchange.respond(Response(status: 200)) }
        wire.send(upload(5, expect: true) + "h")
        wire.send("ello")
        #expect(wire.statuses == [200])
        wire.canWrite = false
        wire.send(upload(5, expect: true))
        wire.send("hello")
        wire.canWrite = true
        wire.settle()
        #expect(wire.statuses == [200, 200])
        wire.canWrite = false
        wire.send(upload(5, expect: true))
        wire.send("h")
        wire.canWrite = true
        wire.settle()
        #expect(wire.statuses == [200, 200])
    }

    @Test func `a body that is accepted later gets its interim answer then`() {
        let sink = FakeSink()
        let wire = Wire { _, _ in .acceptLater(sink) }
        wire.send(upload(5, expect: true))
        #expect(wire.written.isEmpty)
        wire.exchange.resumeBody()
        wire.settle()
        #expect(wire.output == interim)
        wire.exchange.resumeBody()
        wire.settle()
        #expect(wire.output == interim)
    }

    @Test func `HTTP 1-0 gets no interim answer`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        #expect(wire.written.isEmpty)
    }

    @Test func `a final answer instead of 100 closes, for the body may or may not come`() {
        for length in [1, 2_000_000] {
            let wire = refusing()
            wire.send(upload(length, expect: true))
            #expect(wire.statuses == [404])
            #expect(wire.responses()[0].fields["connection"] == "close")
            #expect(wire.ending == .closeAfterLinger)
        }
        let wire = Wire { _, _ in .discard }
        wire.send(upload(5, expect: true))
        #expect(wire.written.isEmpty)
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.responses()[0].fields["connection"] == "close")
    }

    @Test func `a refused body that came with its head leaves the connection usable`() {
        let wire = refusing()
        wire.send(upload(5, expect: true) + "hello" + get)
        #expect(wire.statuses == [404, 404])
        #expect(wire.handler.heads.map(\.path) == ["/p", "/next"])
    }

    @Test(arguments: [-1, 0, 1]) func `an unwanted body is dropped up to the limit`(_ excess: Int) {
        let length = Limits().drain + excess
        let wire = refusing()
        wire.send(upload(length))
        #expect(wire.statuses == [404])
        if excess > 0 {
            #expect(wire.responses()[0].fields["connection"] == "close")
            #expect(wire.ending == .closeAfterLinger)
            #expect(wire.engine.readDemand == .none)
            return
        }
        #expect(wire.responses()[0].fields["connection"] == nil)
        #expect(wire.engine.readDemand == .bytes(atLeast: Limits().receiveBytes))
        wire.send([UInt8](repeating: 0, count: length - 1))
        #expect(wire.handler.heads.count == 1)
        wire.send("x" + get)
        #expect(wire.statuses == [404, 404])
        #expect(wire.handler.heads[1].path == "/next")
    }

    @Test func `an unwanted body without a length is dropped if it is there, else it closes`() {
        let head = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let whole = refusing()
        whole.send(head + "3\r\nabc\r\n0\r\n\r\n" + get)
        #expect(whole.statuses == [404, 404])
        let part = refusing()
        part.send(head + "3\r\nabc\r\n")
        #expect(part.responses()[0].fields["connection"] == "close")
        #expect(part.ending == .closeAfterLinger)
    }

    @Test func `a discarded body is read no further than the limit before the answer`() {
        var limits = Limits()
        limits.drain = 15
        let head = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let wire = Wire(limits: limits) { _, _ in .discard }
        wire.send(head + "6\r\nabcdef\r\n")
        #expect(wire.engine.readDemand == .bytes(atLeast: 1))
        wire.send("6\r\nabcdef\r\n6\r\nabcdef\r\n")
        #expect(wire.engine.readDemand == .none)
        #expect(!wire.kept.isEmpty)
        #expect(!wire.engine.isReceivingBody)
        wire.exchange.respond(Response(status: 403))
        wire.settle()
        #expect(wire.responses()[0].fields["connection"] == "close")
        #expect(wire.ending == .closeAfterLinger)
    }

    @Test func `an answer inside a body drops a short rest and keeps the connection`() {
        let sink = FakeSink()
        let wire = accepting(sink)
        wire.send(upload(10) + "abc")
        wire.exchange.respond(Response(status: 422))
        wire.settle()
        #expect(wire.statuses == [422])
        #expect(wire.ending == nil)
        wire.send("defghij" + get)
        #expect(sink.text == "abc" && sink.finishes == 0 && sink.aborts.isEmpty)
        #expect(wire.handler.heads.map(\.path) == ["/p", "/next"])
    }

    @Test func `an answer inside a long body closes`() {
        let wire = Wire.upload(FakeSink())
        wire.send(upload(3_000_000) + "abc")
        wire.exchange.respond(Response(status: 422))
        wire.settle()
        #expect(wire.responses()[0].fields["connection"] == "close")
        #expect(wire.ending == .closeAfterLinger)
    }

    @Test func `an answer given inside receive ends the pushing`() {
        let sink = FakeSink()
        let wire = accepting(sink)
        sink.appetite = 2
        sink.onReceive = { [unowned wire] in wire.exchange.respond(Response(status: 422)) }
        wire.send(upload(10) + "abcdefghij" + get)
        #expect(wire.statuses == [422])
        #expect(sink.chunks == [10] && sink.finishes == 0)
        #expect(wire.handler.heads.count == 2)
    }

    @Test func `a paused body is dropped once it is answered`() {
        let sink = FakeSink()
        sink.appetite = 0
        let wire = accepting(sink)
        wire.send(upload(5) + "hello" + get)
        wire.exchange.respond(Response(status: 409))
        wire.settle()
        #expect(wire.statuses == [409])
        #expect(wire.handler.heads.count == 2)
        #expect(sink.finishes == 0 && sink.aborts.isEmpty)
    }

    @Test func `the answer may come before the body and be written after it`() {
        let wire = refusing()
        wire.canWrite = false
        wire.send(upload(5))
        wire.send("hel")
        wire.send("lo" + get)
        #expect(wire.handler.heads.count == 1)
        wire.canWrite = true
        wire.settle()
        #expect(wire.statuses == [404, 404])
    }

    @Test func `the first answer counts`() {
        let wire = Wire { _, exchange in
            exchange.respond(Response(status: 200))
            exchange.respond(Response(status: 500))
            return .discard
        }
        wire.send(get)
        wire.exchange.respond(Response(status: 500))
        wire.settle()
        #expect(wire.statuses == [200])
    }
}
