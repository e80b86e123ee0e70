@testable import HTTPWire
import ServiceLimits
import Testing

private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
private let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
private let old = "GET / HTTP/1.0\r\n\r\n"
private let oldKept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

@Suite struct AnswerTests {
    private func answer(_ request: String, _ response: Response) -> Wire {
        let wire = Wire { _, exchange in
            exchange.respond(response)
            return .discard
        }
        wire.send(request)
        return wire
    }

    private func stream(_ length: Int?, _ steps: [FakeSource.Step]) -> Response {
        Response(status: 200, body: .stream(length: length, FakeSource(steps)))
    }

    @Test func `a head is written line by line`() {
        let wire = answer(
            get,
            Response(
                status: 201, fields: [("ETag", "\"x\""), ("X-Empty", "")],
                body: .bytes(Array("body".utf8))))
        var lines = wire.output.split(separator: "\r\n", omittingEmptySubsequences: false)
        let date = lines.remove(at: 1)
        #expect(
            lines == [
                "HTTP/1.1 201 Created", "ETag: \"x\"", "X-Empty: ", "Content-Length: 4", "", "body",
            ])
        #expect(date.hasPrefix("Date: ") && date.hasSuffix(" GMT") && date.utf8.count == 35)
        #expect(wire.ending == nil)
    }

    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
        (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
        (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
    ]) func `dates are those of RFC 9110 section 5-6-7`(_ second: Int, _ text: String) {
        #expect(String(decoding: HTTPDate.format(second: second), as: UTF8.self) == text)
    }

    @Test func `statuses without a body send none`() {
        let body = ResponseBody.bytes(Array("body".utf8))
        let none = answer(get, Response(status: 204, body: body)).responses()
        #expect(none.count == 1 && none[0].fields["content-length"] == nil)
        let known = answer(get, Response(status: 304, body: body)).responses()
        #expect(known.count == 1 && known[0].fields["content-length"] == "4")
        let unknown = answer(get, Response(status: 304)).responses()
        #expect(unknown.count == 1 && unknown[0].fields["content-length"] == nil)
        let empty = answer(get, Response(status: 200)).responses()
        #expect(empty[0].fields["content-length"] == "0")
    }

    @Test func `HEAD gets the head that GET would`() {
        let bodies: [(ResponseBody, String?)] = [
            (.empty, "0"), (.bytes([1, 2, 3]), "3"), (.slice(slice(7)), "7"),
            (.stream(length: 9, FakeSource([.fail])), "9"),
            (.stream(length: nil, FakeSource([.fail])), nil),
        ]
        for (body, length) in bodies {
            let wire = answer(head + head, Response(status: 200, body: body))
            let responses = wire.responses(toHead: true)
            #expect(responses.map(\.status) == [200, 200])
            #expect(responses.allSatisfy { $0.fields["content-length"] == length })
            #expect(responses.allSatisfy { $0.fields["transfer-encoding"] == nil })
            #expect(wire.ending == nil)
        }
    }

    @Test func `large bodies and slices follow their head`() {
        let large = answer(
            get + get, Response(status: 200, body: .bytes([UInt8](repeating: 65, count: 100_000))))
        #expect(large.responses().map(\.body.utf8.count) == [100_000, 100_000])
        let sliced = answer(get + get, Response(status: 206, body: .slice(slice(5))))
        #expect(sliced.responses().map(\.body) == ["#####", "#####"])
        let empty = answer(get + get, Response(status: 200, body: .slice(slice(0))))
        #expect(empty.statuses == [200, 200])
    }

    @Test func `a stream of known length is sent as it is`() {
        for steps: [FakeSource.Step] in [
            [.text("ab"), .slice(3), .text("c"), .end], [.textAndEnd("abcdef")],
            [.slice(6)], [.text("abcdef"), .slice(0), .end],
        ] {
            let wire = answer(get, stream(6, steps))
            #expect(wire.responses()[0].body.utf8.count == 6)
            #expect(wire.ending == nil)
            wire.send(get)
            #expect(wire.handler.heads.count == 2)
        }
    }

    @Test func `a stream that breaks its promise resets the connection`() {
        for steps: [FakeSource.Step] in [
            [.text("abc"), .end], [.text("abcdef"), .text("g")], [.slice(7)],
            [.textAndEnd("abcde")],
            [.text("abc"), .fail], [.end], [.text("abc"), .slice(4)],
        ] {
            let wire = answer(get + get, stream(6, steps))
            #expect(wire.ending == .reset)
            #expect(wire.handler.heads.count == 1)
            let body = wire.responses()[0].body
            #expect(body.utf8.count <= 6)
        }
        #expect(answer(get, stream(nil, [.text("abc"), .fail])).ending == .reset)
    }

    @Test func `a stream of unknown length is chunked`() {
        let wire = answer(get, stream(nil, [.text("hello"), .slice(3), .textAndEnd("end")]))
        let response = wire.responses()[0]
        #expect(response.fields["transfer-encoding"] == "chunked")
        #expect(response.fields["content-length"] == nil)
        #expect(
            response.body
                == "00000005\r\nhello\r\n3\r\n###\r\n00000003\r\nend\r\n0\r\n\r\n")
        #expect(answer(get, stream(nil, [])).responses()[0].body == "0\r\n\r\n")
        #expect(answer(get, stream(nil, [.slice(1)])).responses()[0].body == "1\r\n#\r\n0\r\n\r\n")
        wire.send(get)
        #expect(wire.handler.heads.count == 2)
    }

    @Test func `a stream that waits goes on when it is resumed`() {
        let wire = answer(get, stream(nil, [.text("a"), .wait, .text("b"), .wait, .wait, .end]))
        #expect(wire.output.hasSuffix("a\r\n"))
        wire.exchange.resumeResponse()
        wire.settle()
        #expect(wire.output.hasSuffix("b\r\n"))
        for _ in 0..<2 {
            #expect(!wire.output.hasSuffix("0\r\n\r\n"))
            wire.exchange.resumeResponse()
            wire.settle()
        }
        #expect(wire.output.hasSuffix("0\r\n\r\n"))
        wire.exchange.resumeResponse()
        wire.settle()
        wire.send(get)
        #expect(wire.handler.heads.count == 2)
    }

    @Test func `HTTP 1-0 is told lengths or the end of the connection`() {
        let fixed = answer(old, Response(status: 200, body: .bytes([65])))
        #expect(fixed.responses()[0].fields["connection"] == "close")
        #expect(fixed.ending == .closeAfterLinger)
        let kept = answer(oldKept + oldKept, Response(status: 200, body: .bytes([65])))
        #expect(kept.responses().map { $0.fields["connection"] } == ["keep-alive", "keep-alive"])
        #expect(kept.ending == nil)
        let streamed = answer(oldKept, stream(nil, [.text("ab"), .slice(2), .end]))
        let response = streamed.responses()[0]
        #expect(response.fields["transfer-encoding"] == nil)
        #expect(response.fields["connection"] == "close")
        #expect(response.body == "ab##")
        #expect(streamed.ending == .closeAfterLinger)
    }

    @Test func `an answer may end the connection`() {
        var response = Response(status: 503)
        response.closesConnection = true
        let wire = answer(get + get, response)
        #expect(wire.statuses == [503])
        #expect(wire.responses()[0].fields["connection"] == "close")
        #expect(wire.ending == .closeAfterLinger)
        #expect(wire.handler.heads.count == 1)
        let asked = answer(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get, Response(status: 200))
        #expect(asked.statuses == [200])
        #expect(asked.ending == .closeAfterLinger)
    }

    @Test(arguments: ["a\r\nX: y", "a\n", "\u{0}", "\u{7F}"])
    func `a field value with a control character is our own bug`(_ value: String) async {
        await #expect(processExitsWith: .failure) { [value] in
            var buffer: [UInt8] = []
            buffer.appendHead(
                of: Response(status: 200, fields: [("X", value)]), framing: .none,
                connection: .none, date: [])
        }
    }

    @Test func `an answer that is given up resets the connection wherever it stands`() {
        for steps in [[FakeSource.Step.text("half"), .wait], [.wait]] {
            let wire = answer(get, stream(8, steps))
            #expect(!wire.engine.isReset && wire.ending == nil)
            wire.exchange.failResponse()
            #expect(wire.ending == nil)
            wire.settle()
            #expect(wire.engine.isReset && wire.ending == .reset)
        }
    }

    @Test func `an answer that was not given yet can be given up`() {
        let wire = Wire { _, _ in .discard }
        wire.send(get)
        wire.exchange.failResponse()
        wire.settle()
        #expect(wire.ending == .reset && wire.written.isEmpty)
    }

    @Test func `an answer that is complete cannot be given up`() {
        let wire = answer(get, Response(status: 200, body: .bytes(Array("body".utf8))))
        wire.exchange.failResponse()
        wire.settle()
        #expect(wire.ending == nil)
        wire.send(get)
        #expect(wire.statuses == [200, 200])
    }

    @Test(arguments: [true, false])
    func `a body that is not sent lets go of its file at once`(_ isHead: Bool) {
        weak var pin: FakePin?
        let wire = Wire { _, exchange in
            let slice = slice(100)
            pin = slice.pin as? FakePin
            exchange.respond(Response(status: isHead ? 200 : 304, body: .slice(slice)))
            return .discard
        }
        wire.canWrite = false
        wire.send(isHead ? head : get)
        #expect(pin != nil)
        wire.canWrite = true
        wire.settle()
        #expect(wire.responses(toHead: isHead).count == 1)
        #expect(pin == nil)
    }
}
