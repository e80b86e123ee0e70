import HTTPWire
import ServiceLimits
import Testing

private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
private let upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"

/// All times are a fake clock's; the limits are the defaults: head 10 s, idle 75 s, body 20 s grace
/// and 500 bytes a second.
@Suite struct DeadlineTests {
    @Test func `a connection that says nothing is closed silently after the head's time`() {
        let wire = Wire.echo()
        wire.advance(.milliseconds(9_999))
        #expect(wire.ending == nil)
        wire.advance(.milliseconds(1))
        #expect(wire.ending == .close)
        #expect(wire.written.isEmpty)
    }

    @Test func `a head that comes too slowly is answered with 408`() {
        let wire = Wire.echo()
        wire.advance(.seconds(5))
        for byte in Array(get.utf8).prefix(9) {
            wire.send([byte])
            wire.advance(.seconds(1))
            #expect(wire.written.isEmpty)
        }
        wire.send("x")
        wire.advance(.seconds(1))
        #expect(wire.statuses == [408])
        #expect(wire.responses()[0].fields["connection"] == "close")
        #expect(wire.ending == .closeAfterLinger)
        #expect(wire.handler.heads.isEmpty)
    }

    @Test func `between requests a connection may be idle for its time`() {
        let wire = Wire.echo()
        for _ in 0..<3 {
            wire.send(get)
            wire.advance(.milliseconds(74_999))
            #expect(wire.ending == nil)
        }
        wire.advance(.milliseconds(1))
        #expect(wire.ending == .close)
        #expect(wire.statuses == [200, 200, 200])
    }

    @Test func `the second head has its own time`() {
        let wire = Wire.echo()
        wire.send(get)
        wire.advance(.seconds(70))
        wire.send("GET / ")
        wire.advance(.milliseconds(9_999))
        #expect(wire.statuses == [200])
        wire.advance(.milliseconds(1))
        #expect(wire.statuses == [200, 408])
    }

    @Test func `a request that lies unread when the idle time ends is not cut`() {
        let wire = Wire.echo()
        wire.send(get)
        wire.advance(.seconds(75), unreadBytes: 10)
        #expect(wire.ending == nil)
        wire.send(get)
        #expect(wire.statuses == [200, 200])
    }

    @Test func `while an answer is awaited there is no deadline`() {
        let wire = Wire { _, _ in .discard }
        wire.send(get)
        #expect(wire.engine.deadline == nil)
    }

    @Test func `a body that stalls is cut after the grace with 408`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send(upload + String(repeating: "x", count: 100_000))
        wire.advance(.milliseconds(19_999))
        #expect(sink.aborts.isEmpty)
        wire.advance(.milliseconds(1))
        #expect(sink.aborts == [.timedOut])
        #expect(wire.statuses == [408])
        #expect(wire.ending == .closeAfterLinger)
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.statuses == [408])
    }

    @Test(arguments: [(490, true), (510, false)])
    func `a body must keep up the rate after its grace`(_ rate: Int, _ isCut: Bool) {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send(upload)
        for _ in 0..<1_500 {
            wire.advance(.seconds(1))
            if wire.ending != nil { break }
            wire.send([UInt8](repeating: 0, count: rate))
        }
        #expect((sink.aborts == [.timedOut]) == isCut)
        // At 490 of 500 bytes a second the 20 s are used up after 20 / 0.02 s.
        if isCut { #expect(sink.bytes.count / rate >= 900) }
    }

    @Test func `a trickle uses up the grace`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send(upload)
        for _ in 0..<21 {
            wire.advance(.seconds(1))
            if wire.ending == nil { wire.send("x") }
        }
        #expect(sink.aborts == [.timedOut])
    }

    @Test func `bytes that lie unread count once`() {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        wire.send(upload)
        wire.advance(.seconds(20), unreadBytes: 5_000)
        #expect(sink.aborts.isEmpty)
        wire.advance(.milliseconds(9_999), unreadBytes: 5_000)
        wire.send([UInt8](repeating: 0, count: 5_000))
        #expect(sink.aborts.isEmpty)
        wire.advance(.milliseconds(1), unreadBytes: 0)
        #expect(sink.aborts == [.timedOut])
    }

    @Test func `time in which the sink takes nothing does not count`() {
        let sink = FakeSink()
        sink.appetite = 3
        let wire = Wire.upload(sink)
        wire.send(upload)
        wire.advance(.seconds(15))
        wire.send("abcdef")
        #expect(wire.engine.deadline == nil)
        wire.advance(.seconds(10_000))
        sink.appetite = nil
        wire.exchange.resumeBody()
        wire.settle()
        #expect(sink.text == "abcdef")
        wire.advance(.milliseconds(4_990))
        #expect(sink.aborts.isEmpty)
        wire.advance(.milliseconds(30))
        #expect(sink.aborts == [.timedOut])
    }

    @Test func `a body that is accepted later has its whole grace from then`() {
        let sink = FakeSink()
        let wire = Wire { _, _ in .acceptLater(sink) }
        wire.send(upload)
        #expect(wire.engine.deadline == nil)
        wire.advance(.seconds(1_000))
        wire.exchange.resumeBody()
        wire.settle()
        #expect(wire.engine.deadline == wire.now + .seconds(20))
    }

    @Test func `a client that waits for 100 while we decide is not hurried`() {
        let wire = Wire { _, _ in .discard }
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        #expect(wire.engine.deadline == nil)
    }

    @Test func `a rest that is dropped after its answer must come too`() {
        let wire = Wire.echo()
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        #expect(wire.statuses == [200])
        wire.advance(.seconds(20))
        #expect(wire.ending == .close)
        #expect(wire.statuses == [200])
    }
}
