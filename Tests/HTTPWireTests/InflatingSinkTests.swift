import HTTPWire
import Testing

/// A request's body that is decoded on its way to a sink, over a connection without sockets.
private final class CodedUpload {
    let sink = FakeSink()
    private(set) var errors: [InflateError] = []
    private(set) var wire = Wire { _, _ in .discard }

    init(
        _ coding: ContentCoding = .gzip, limit: Int = 1 << 30,
        sink inner: ((FakeSink) -> any BodySink)? = nil
    ) {
        let target = inner?(sink) ?? sink
        wire = Wire { [unowned self] _, exchange in
            let inflater = Inflater(coding, limit: limit, ratio: 1100)
            return .accept(
                InflatingSink(target, inflater: inflater, exchange: exchange) { error in
                    self.errors.append(error)
                    exchange.respond(Response(status: 400))
                })
        }
    }

    func sendHead(length: Int) {
        wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n")
    }

    /// All of `body`, `size` bytes at a time.
    func send(_ body: [UInt8], size: Int = .max) {
        var position = 0
        while position < body.count {
            let end = position + min(size, body.count - position)
            wire.send(Array(body[position..<end]))
            position = end
        }
    }
}

/// A sink whose upload is not looked at any more.
private final class UnwantedSink: BodySink {
    private let sink: FakeSink
    /// Bytes that it still wants.
    private let wanted: Int

    init(_ sink: FakeSink, wanted: Int) {
        self.sink = sink
        self.wanted = wanted
    }

    var wantsBody: Bool { sink.bytes.count < wanted }
    func receive(_ chunk: UnsafeRawBufferPointer) -> Int { sink.receive(chunk) }
    func finish() { sink.finish() }
    func abort(_ reason: BodyAbort) { sink.abort(reason) }
}

@Suite struct InflatingSinkTests {
    private static let content =
        Zlib.noise(700_000) + [UInt8](repeating: 0, count: 1_500_000) + Zlib.noise(9, seed: 2)

    @Test(arguments: [100, 4096, 65_536, 300_000, .max])
    func `a body arrives decoded, in bounded pieces`(_ size: Int) {
        let body = Zlib.coded(Self.content)
        let upload = CodedUpload()
        upload.sendHead(length: body.count)
        upload.send(body, size: size)
        let arrived = upload.sink.bytes == Self.content
        #expect(arrived)
        #expect(upload.sink.finishes == 1)
        #expect(upload.sink.aborts == [])
        #expect(upload.errors == [])
        #expect(upload.sink.chunks.allSatisfy { $0 <= 65_536 })
    }

    @Test func `a chunked body may come byte by byte`() {
        let content = Self.content.prefix(3000) + [UInt8](repeating: 1, count: 300_000)
        let upload = CodedUpload(.deflate)
        upload.wire.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in Zlib.coded(Array(content), Zlib.zlib) {
            upload.wire.send(Array("1\r\n".utf8) + [byte])
            upload.wire.send("\r\n")
        }
        #expect(upload.sink.finishes == 0)
        upload.wire.send("0\r\n\r\n")
        let arrived = upload.sink.bytes == Array(content)
        #expect(arrived)
        #expect(upload.sink.finishes == 1)
    }

    /// However the sink stops and goes on, nothing is lost, nothing comes twice, and the connection
    /// reads nothing meanwhile.
    @Test(arguments: [1, 17, 5000, 65_535, 65_536, 65_537])
    func `a sink that takes less pauses the body`(_ appetite: Int) {
        let content = Array(Self.content.suffix(appetite * 400))
        let body = Zlib.coded(content)
        let upload = CodedUpload()
        upload.sink.appetite = appetite
        upload.sendHead(length: body.count)
        upload.send(body)
        var rounds = 0
        while upload.sink.finishes == 0, rounds < 1000 {
            let before = upload.sink.bytes.count
            #expect(upload.wire.engine.readDemand == .none)
            // Resumed without an appetite: offered, and paused again.
            if rounds.isMultiple(of: 50) { upload.wire.exchange.resumeBody() }
            upload.wire.settle()
            #expect(upload.sink.bytes.count == before)
            upload.sink.appetite = appetite
            upload.wire.exchange.resumeBody()
            upload.wire.settle()
            #expect(upload.sink.bytes.count == min(before + appetite, content.count))
            rounds += 1
        }
        let arrived = upload.sink.bytes == content
        #expect(arrived)
        #expect(upload.sink.finishes == 1)
    }

    @Test func `a call decodes no more than a turn's worth`() {
        let body = Zlib.coded([UInt8](repeating: 0, count: 8 << 20))
        let upload = CodedUpload()
        upload.sendHead(length: body.count)
        // The first call of the engine's, without what it queues on the lane.
        let head = body.withUnsafeBytes { upload.wire.engine.receive($0, now: upload.wire.now) }
        #expect(head < body.count)
        #expect(upload.sink.bytes.count == 256 << 10)
        #expect(!upload.wire.host.queue.work.isEmpty)
    }

    @Test func `a damaged body aborts the sink once and is answered once`() {
        for coding in [ContentCoding.gzip, .deflate] {
            var body = Zlib.coded(
                Array(Self.content.prefix(5000)), coding == .gzip ? Zlib.gzip : Zlib.zlib)
            body[body.count - 5] ^= 1
            let upload = CodedUpload(coding)
            upload.sendHead(length: body.count)
            upload.send(body, size: 100)
            #expect(upload.sink.aborts == [.malformed])
            #expect(upload.sink.finishes == 0)
            #expect(upload.errors.count == 1)
            #expect(upload.wire.statuses == [400])
        }
    }

    @Test func `a body that ends inside its coding is answered at its end`() {
        let body = Zlib.coded(Self.content).dropLast(1)
        let upload = CodedUpload()
        upload.sendHead(length: body.count)
        upload.send(Array(body))
        let arrived = upload.sink.bytes == Self.content
        #expect(arrived)
        #expect(upload.sink.aborts == [.malformed])
        #expect(upload.sink.finishes == 0)
        #expect(upload.errors == [.truncated(received: body.count)])
        let empty = CodedUpload()
        empty.sendHead(length: 0)
        #expect(empty.errors == [.truncated(received: 0)])
    }

    @Test func `a client that goes aborts the sink`() {
        let upload = CodedUpload()
        upload.sendHead(length: 1000)
        upload.send(Array(Zlib.coded(Self.content).prefix(100)))
        upload.wire.sendEnd()
        #expect(upload.sink.aborts == [.disconnected])
        #expect(upload.errors == [])
    }

    @Test func `what nobody wants is not decoded`() {
        // Right as far as it is wanted, and then no gzip at all.
        let body = Array(Zlib.coded(Self.content, level: 0).prefix(200_000)) + Zlib.noise(50_000)
        let upload = CodedUpload { UnwantedSink($0, wanted: 100_000) }
        upload.sendHead(length: body.count)
        upload.send(body, size: 10_000)
        #expect(upload.errors == [])
        #expect(upload.sink.finishes == 1)
        #expect((100_000..<170_000).contains(upload.sink.bytes.count))
    }
}
