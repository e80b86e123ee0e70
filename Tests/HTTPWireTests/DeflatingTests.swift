import HTTPWire
import Testing

/// The codings of answers: of text by `CodingExchange`, and of what is sent as it is made.
@Suite struct DeflatingTests {
    /// The answer to a GET, of `respond`, with its body taken out of its framing.
    private func answer(
        _ accepted: String?, method: String = "GET", _ respond: @escaping (any Exchange) -> Void
    ) -> (head: String, body: [UInt8]) {
        let wire = Wire { head, exchange in
            respond(CodingExchange.around(exchange, head.fields))
            return .discard
        }
        let field = accepted.map { "Accept-Encoding: \($0)\r\n" } ?? ""
        wire.send("\(method) / HTTP/1.1\r\nHost: a\r\n\(field)\r\n")
        let written = wire.written
        let end = (0..<written.count - 3).first { Array(written[$0..<$0 + 4]) == Self.headEnd }
        guard let end else { return ("", []) }
        let head = String(decoding: written[..<end], as: UTF8.self)
        let body = Array(written[(end + 4)...])
        return (head, head.contains("chunked") && method != "HEAD" ? Self.unchunked(body) : body)
    }

    private static let headEnd = Array("\r\n\r\n".utf8)

    private static func unchunked(_ bytes: [UInt8]) -> [UInt8] {
        var data: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 13) {
            let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
            guard let size = Int(line, radix: 16), size > 0 else { break }
            let start = end + 2
            data += rest[start..<start + size]
            rest = rest[(start + size + 2)...]
        }
        return data
    }

    private static func text(_ count: Int) -> [UInt8] {
        Array(String(repeating: "{\"epoch\": 3, \"loss\": 2.31}", count: count / 26 + 1).utf8)[
            ..<count]
            + []
    }

    private func respond(_ bytes: [UInt8]) -> (any Exchange) -> Void {
        { $0.respond(Response(text: bytes, contentType: "text/plain", status: 200)) }
    }

    @Test(arguments: [1, 1023, 1024, 1025, 65_536, 65_537, 1_000_000])
    func `text of a kilobyte and more is coded for who asks`(_ count: Int) {
        let text = Self.text(count)
        for (accepted, coding, bits) in [
            ("gzip", "gzip", Zlib.gzip), ("deflate", "deflate", Zlib.zlib),
        ] {
            let (head, body) = answer(accepted, respond(text))
            let isCoded = count >= 1024
            #expect(head.contains("\r\nContent-Encoding: \(coding)\r\n") == isCoded)
            #expect(head.contains("\r\nVary: Accept-Encoding\r\n"))
            let arrived = (isCoded ? Zlib.decoded(body, bits, upTo: count) : body) == text
            #expect(arrived)
            #expect(head.contains("\r\nContent-Length: \(body.count)") == (count <= 65_536))
        }
    }

    @Test(arguments: [1, 1023, 1024, 100_000])
    func `nothing is coded unasked, and the choice is told`(_ count: Int) {
        for accepted in [nil, "br", "identity", "gzip;q=0", "identity;q=0"] {
            let (head, body) = answer(accepted, respond(Self.text(count)))
            #expect(!head.contains("Content-Encoding"))
            #expect(head.contains("\r\nVary: Accept-Encoding"))
            let arrived = body == Self.text(count)
            #expect(arrived)
        }
    }

    @Test(arguments: [1, 1023, 1024])
    func `who refuses plain text gets the shortest coded`(_ count: Int) {
        let (head, body) = answer("gzip, *;q=0", respond(Self.text(count)))
        #expect(head.contains("\r\nContent-Encoding: gzip\r\n"))
        #expect(head.contains("\r\nVary: Accept-Encoding"))
        #expect(Zlib.decoded(body, upTo: count) == Self.text(count))
    }

    @Test(arguments: [1023, 1024, 65_536]) func `the head to HEAD is the one to GET`(_ count: Int) {
        func lines(_ method: String) -> [Substring] {
            let head = answer("gzip", method: method, respond(Self.text(count))).head
            return head.split(separator: "\r\n").filter { !$0.hasPrefix("Date") }
        }
        #expect(lines("HEAD") == lines("GET"))
    }

    @Test func `an answer without content stays without`() {
        for status in [200, 204, 304] {
            let (head, body) = answer("gzip, identity;q=0") {
                $0.respond(Response(status: status))
            }
            #expect(!head.contains("Content-Encoding"))
            #expect(body == [])
        }
    }

    @Test func `a field that names Accept-Encoding is not repeated`() {
        for vary in ["Accept, Accept-Encoding", "Accept-Encoding"] {
            let (head, _) = answer("gzip") {
                $0.respond(
                    Response(
                        text: Self.text(2000), contentType: "text/plain", status: 404,
                        fields: [("Vary", vary)]))
            }
            #expect(head.contains("\r\nVary: \(vary)\r\n"))
            #expect(head.components(of: "Vary:") == 1)
        }
    }

    /// Text, mapped slices, waits: in every order, as `FakeSource` plays them.
    @Test(arguments: [ContentCoding.gzip, .deflate])
    func `a stream is coded piece by piece`(_ coding: ContentCoding) throws {
        let file = MappedBytes(Zlib.noise(300_000))
        let source = PlayedSource([
            .text(Self.text(10)), .slice(file.slice(5, 100_000)), .slice(file.slice(0, 0)),
            .text(Self.text(200_000)), .textAndWait(Self.text(7)), .wait,
            .slice(file.slice(299_999, 1)), .textAndEnd(Self.text(3)),
        ])
        var exchange: (any Exchange)?
        let wire = Wire { _, given in
            exchange = given
            let coded = DeflatingSource(source, coding: coding, exchange: given)
            given.respond(Response(status: 200, body: .stream(length: nil, coded)))
            return .discard
        }
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(!source.isAtEnd)
        exchange?.resumeResponse()
        wire.settle()
        #expect(source.isAtEnd)
        let start = try #require(wire.output.utf8.count == 0 ? nil : headLength(wire.written))
        let body = Self.unchunked(Array(wire.written[start...]))
        let expected =
            Self.text(10) + file.bytes[5..<100_005] + Self.text(200_000) + Self.text(7)
            + file.bytes[299_999...] + Self.text(3)
        let bits = coding == .gzip ? Zlib.gzip : Zlib.zlib
        let arrived = Zlib.decoded(body, bits, upTo: expected.count) == expected
        #expect(arrived)
        #expect(file.pins.allSatisfy { $0.pin == nil }, "a slice is held longer than it is read")
    }

    private func headLength(_ bytes: [UInt8]) -> Int? {
        (0..<bytes.count - 3).first { Array(bytes[$0..<$0 + 4]) == Self.headEnd }.map { $0 + 4 }
    }

    @Test func `a call codes no more than a turn's worth, and asks to go on`() {
        let file = MappedBytes(Zlib.noise(1 << 20))
        let source = PlayedSource([.slice(file.slice(0, 1 << 20))])
        let wire = Wire { _, exchange in
            let coded = DeflatingSource(source, coding: .gzip, exchange: exchange)
            exchange.respond(Response(status: 200, body: .stream(length: nil, coded)))
            return .discard
        }
        wire.canWrite = false
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        var written = 0
        while case .bytes(let bytes) = wire.engine.nextOutput(now: wire.now) {
            written += bytes.count
        }
        #expect(written < 100_000)
        #expect(!wire.host.queue.work.isEmpty)
    }

    @Test func `a source that fails is not completed`() {
        let wire = Wire { _, exchange in
            let source = FakeSource([.text("begun"), .fail])
            let coded = DeflatingSource(source, coding: .gzip, exchange: exchange)
            exchange.respond(Response(status: 200, body: .stream(length: nil, coded)))
            return .discard
        }
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(wire.ending == .reset)
    }
}

/// Plays a list of parts, which may come together.
private final class PlayedSource: BodySource {
    enum Step {
        case text([UInt8])
        case textAndWait([UInt8])
        case textAndEnd([UInt8])
        case slice(FileSlice)
        case wait
    }

    private var steps: [Step]

    init(_ steps: [Step]) { self.steps = steps }

    var isAtEnd: Bool { steps.isEmpty }

    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        guard !steps.isEmpty else { return .end }
        switch steps.removeFirst() {
        case .text(let text):
            buffer += text
            return .bytes
        case .textAndWait(let text):
            buffer += text
            return .wait
        case .textAndEnd(let text):
            buffer += text
            return .end
        case .slice(let slice): return .slice(slice)
        case .wait: return .wait
        }
    }
}

/// A file that is mapped, as far as a slice's reader can tell.
private final class MappedBytes {
    final class Pin { weak var pin: FakePin? }

    let bytes: [UInt8]
    private(set) var pins: [Pin] = []
    private let base: UnsafeMutableRawPointer

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        base = .allocate(byteCount: bytes.count, alignment: 16)
        base.copyMemory(from: bytes, byteCount: bytes.count)
    }

    deinit { base.deallocate() }

    func slice(_ offset: Int, _ count: Int) -> FileSlice {
        let pin = FakePin()
        let kept = Pin()
        kept.pin = pin
        pins.append(kept)
        return FileSlice(
            fileDescriptor: -1, mapping: UnsafeRawPointerBox(base), offset: offset, count: count,
            pin: pin)
    }
}

extension String {
    fileprivate func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
