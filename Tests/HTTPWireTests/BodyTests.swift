import HTTPWire
import ServiceLimits
import Testing

private let known = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: "
private let chunked = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

@Suite struct BodyTests {
    /// A wire whose sink answers 200 at the body's end.
    private func uploading(_ sink: FakeSink, limits: Limits = Limits()) -> Wire {
        let wire = Wire.upload(sink, limits: limits)
        sink.onFinish = { [unowned wire] in wire.exchange.respond(Response(status: 200)) }
        return wire
    }

    @Test(arguments: [
        known + "11\r\n\r\nhello world",
        chunked + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        chunked + "005;a=b;c=\"d e\"\r\nhello\r\n1;x \t \r\n \r\n5\r\nworld\r\n"
            + "000\r\nX: y\r\nEmpty:\r\n\r\n",
        chunked + "B\r\nhello world\r\n0;last\r\n\r\n",
    ]) func `a body cut at any byte is the same body`(_ request: String) {
        let bytes = Array((request + "GET /next HTTP/1.0\r\n\r\n").utf8)
        for cut in 0...bytes.count {
            let sink = FakeSink()
            let wire = uploading(sink)
            wire.send(Array(bytes[..<cut]))
            wire.send(Array(bytes[cut...]))
            #expect(sink.text == "hello world", "cut at \(cut)")
            #expect(sink.finishes == 2 && sink.aborts.isEmpty)
            #expect(wire.statuses == [200, 200])
            #expect(wire.handler.heads.map(\.path) == ["/p", "/next"])
        }
        let sink = FakeSink()
        let wire = uploading(sink)
        for byte in bytes { wire.send([byte]) }
        #expect(sink.text == "hello world")
        #expect(wire.statuses == [200, 200])
    }

    @Test(arguments: [known + "11\r\n\r\nhello world", chunked + "b\r\nhello world\r\n0\r\n\r\n"])
    func `a body that ends early at any byte is aborted and never finished`(_ request: String) {
        let bytes = Array(request.utf8)
        for cut in 0..<bytes.count {
            let sink = FakeSink()
            let wire = uploading(sink)
            wire.send(Array(bytes[..<cut]))
            wire.sendEnd()
            #expect(sink.finishes == 0)
            #expect(sink.aborts == (wire.handler.heads.isEmpty ? [] : [.disconnected]))
            #expect(wire.ending == .close)
            #expect(wire.written.isEmpty)
        }
    }

    @Test func `chunks are pushed as large as they come`() {
        let sink = FakeSink()
        let wire = uploading(sink)
        wire.send(known + "300000\r\n\r\n")
        wire.send([UInt8](repeating: 1, count: 100_000))
        wire.send([UInt8](repeating: 2, count: 200_005))
        #expect(sink.chunks == [100_000, 200_000])
    }

    @Test func `the demand is the rest of the body up to a receive`() {
        var limits = Limits()
        limits.receiveBytes = 100
        let wire = uploading(FakeSink(), limits: limits)
        #expect(wire.engine.readDemand == .bytes(atLeast: 1))
        wire.send(known + "150\r\n\r\n")
        #expect(wire.engine.isReceivingBody)
        #expect(wire.engine.readDemand == .bytes(atLeast: 100))
        wire.send([UInt8](repeating: 0, count: 80))
        #expect(wire.engine.readDemand == .bytes(atLeast: 70))
        wire.send([UInt8](repeating: 0, count: 70))
        #expect(wire.engine.readDemand == .bytes(atLeast: 1))
        #expect(!wire.engine.isReceivingBody)
        wire.send(chunked + "50\r\n")
        #expect(wire.engine.readDemand == .bytes(atLeast: 1))
    }

    @Test(arguments: [
        (known + "11\r\n\r\nhello world", 0), (known + "11\r\n\r\nhello world", 4),
        (chunked + "b\r\nhello world\r\n0\r\n\r\n", 0),
        (chunked + "b\r\nhello world\r\n0\r\n\r\n", 4),
    ]) func `a sink that is full pauses the body until it is resumed`(
        _ request: String, _ appetite: Int
    ) {
        let sink = FakeSink()
        sink.appetite = appetite
        let wire = uploading(sink)
        wire.send(request + known + "0\r\n\r\n")
        #expect(sink.bytes.count == appetite)
        #expect(wire.engine.readDemand == .none)
        #expect(wire.engine.isReceivingBody)
        #expect(sink.finishes == 0)

        sink.appetite = 3
        wire.exchange.resumeBody()
        wire.settle()
        #expect(sink.bytes.count == appetite + 3)
        #expect(wire.engine.readDemand == .none)

        sink.appetite = nil
        wire.exchange.resumeBody()
        wire.settle()
        #expect(sink.text == "hello world")
        #expect(wire.statuses == [200, 200])
    }

    @Test func `resuming inside receive is not lost`() {
        let sink = FakeSink()
        sink.appetite = 2
        let wire = uploading(sink)
        sink.onReceive = { [unowned wire] in
            sink.appetite = 2
            wire.exchange.resumeBody()
        }
        wire.send(known + "5\r\n\r\nhello")
        #expect(sink.text == "hello")
        #expect(wire.statuses == [200])
    }

    @Test func `a body that is accepted later waits for its sink`() {
        let sink = FakeSink()
        let wire = Wire { _, _ in .acceptLater(sink) }
        sink.onFinish = { wire.exchange.respond(Response(status: 200)) }
        for body in ["5\r\n\r\nhello", "0\r\n\r\n"] {
            wire.send(known + body)
            #expect(sink.chunks.isEmpty && sink.finishes == 0)
            #expect(wire.engine.readDemand == .none)
            wire.exchange.resumeBody()
            wire.settle()
            #expect(sink.finishes == 1)
            (sink.chunks, sink.finishes) = ([], 0)
        }
        #expect(wire.statuses == [200, 200])
    }

    @Test func `a request without a body finishes its sink at once`() {
        let sink = FakeSink()
        let wire = uploading(sink)
        wire.send("POST /p HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(wire.handler.heads[0].body == .none)
        wire.send(known + "0\r\n\r\n")
        wire.send(chunked + "0\r\n\r\n")
        #expect(sink.finishes == 3)
        #expect(wire.statuses == [200, 200, 200])
    }

    @Test func `an empty body that waits and is answered leaves the connection usable`() {
        let sink = FakeSink()
        let wire = Wire { _, _ in .acceptLater(sink) }
        wire.send(known + "0\r\n\r\n" + known + "0\r\n\r\n")
        wire.exchange.respond(Response(status: 409))
        wire.settle()
        wire.exchange.respond(Response(status: 409))
        wire.settle()
        #expect(wire.statuses == [409, 409])
        #expect(sink.finishes == 0 && sink.aborts.isEmpty)
    }

    @Test(arguments: [-1, 0, 1]) func `chunk extensions and trailers are bounded to the byte`(
        _ excess: Int
    ) {
        let limits = Limits()
        func status(_ body: String) -> [Int] {
            let wire = uploading(FakeSink())
            wire.send(chunked + body)
            return wire.statuses
        }
        func run(_ count: Int) -> String { String(repeating: "a", count: count) }
        let `extension` = ";" + run(limits.chunkExtensionBytes - 1 + excess)
        let isIn = excess <= 0
        #expect(status("1\(`extension`)\r\nx\r\n0\r\n\r\n") == [isIn ? 200 : 400])
        #expect(status("1;a\r\nx\r\n0\(`extension`)\r\n\r\n") == [isIn ? 200 : 400])
        let trailer = "X: y\r\nY:" + run(limits.trailerBytes - 6 + excess) + "\r\n"
        #expect(status("0\r\n\(trailer)\r\n") == [isIn ? 200 : 431])
        // Fifteen digits are the largest size that is read.
        #expect(status(run(15 + excess) + "\r\n") == (isIn ? [] : [400]))
    }

    @Test func `a broken chunk after some data aborts the sink and is answered`() {
        let sink = FakeSink()
        let wire = uploading(sink)
        wire.send(chunked + "3\r\nabc\r\nx")
        #expect(sink.text == "abc")
        #expect(sink.aborts == [.malformed])
        #expect(wire.statuses == [400])
        wire.exchange.respond(Response(status: 200))
        wire.settle()
        #expect(wire.statuses == [400])
    }
}
