import HTTPWire
import ServiceLimits
import Testing

/// What a strict server must not let pass, with the status it is refused with.
private enum Malformed {
    static let host = "Host: a\r\n"

    /// Request lines, up to their CR LF.
    static let lines: [(String, Int)] = [
        ("GET", 400), ("GET ", 400), ("GET /", 400), ("GET / ", 400), ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400), (" GET / HTTP/1.1", 400), ("\tGET / HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400), ("GET /\tHTTP/1.1", 400), ("GET / HTTP/1.1 ", 400),
        ("GET / HTTP/1.1 x", 400), ("GET / HTTP/1.1\t", 400), ("GET / http/1.1", 400),
        ("GET / HTTP/1", 400), ("GET / HTTP/11", 400), ("GET / HTTP/1.10", 400),
        ("GET / HTTP/01.1", 400), ("GET / HTTP/1,1", 400), ("GET / HTTP 1.1", 400),
        ("GET / HTTP/a.1", 400), ("GET / HTTP/1.a", 400), ("GET / XTTP/1.1", 400),
        ("GET / HTTPS/1.1", 400), ("GET / HTTP/+1.1", 400), ("GET / HTTP/-1.1", 400),
        ("GET / HTTP/1.2", 505), ("GET / HTTP/1.9", 505), ("GET / HTTP/0.9", 505),
        ("GET / HTTP/2.0", 505), ("GET / HTTP/9.9", 505), ("PRI * HTTP/2.0", 505),
        ("G[ET / HTTP/1.1", 400), ("G@T / HTTP/1.1", 400), ("GET: / HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400), ("\"GET\" / HTTP/1.1", 400), ("G\u{E9}T / HTTP/1.1", 400),
        ("/ GET HTTP/1.1", 400), ("GET a HTTP/1.1", 400), ("GET ?a HTTP/1.1", 400),
        ("GET a/b HTTP/1.1", 400), ("GET * HTTP/1.1", 400), ("POST * HTTP/1.1", 400),
        ("OPTIONS ** HTTP/1.1", 400), ("OPTIONS *a HTTP/1.1", 400),
        ("CONNECT a:80 HTTP/1.1", 400), ("GET a:80 HTTP/1.1", 400), ("GET \\ HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400), ("GET /a#b HTTP/1.1", 400), ("GET /a\"b HTTP/1.1", 400),
        ("GET /<a> HTTP/1.1", 400), ("GET /a\\b HTTP/1.1", 400), ("GET /a^b HTTP/1.1", 400),
        ("GET /`a` HTTP/1.1", 400), ("GET /{a} HTTP/1.1", 400), ("GET /\u{E9} HTTP/1.1", 400),
        ("GET /\u{0}a HTTP/1.1", 400), ("GET /a\u{1} HTTP/1.1", 400),
        ("GET /\u{7F} HTTP/1.1", 400), ("GET /a\u{B}b HTTP/1.1", 400),
        ("GET http:// HTTP/1.1", 400), ("GET http:///a HTTP/1.1", 400),
        ("GET http:/a HTTP/1.1", 400), ("GET http://u@h/ HTTP/1.1", 400),
        ("GET http://u:p@h/ HTTP/1.1", 400), ("GET http://h:x/ HTTP/1.1", 400),
        ("GET http://h:65536/ HTTP/1.1", 400), ("GET http://[::1/ HTTP/1.1", 400),
        ("GET http://a,b/ HTTP/1.1", 400), ("GET ftp://h/ HTTP/1.1", 400),
        ("GET file:///etc/passwd HTTP/1.1", 400), ("GET javascript:1 HTTP/1.1", 400),
    ]

    /// Header sections that follow a good request line, up to the empty line.
    static let sections: [(String, Int)] = [
        ("", 400), ("X: y\r\n", 400), ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a\r\nhost: b\r\n", 400), ("Host:\r\n", 400), ("Host: \r\n", 400),
        ("Host: a b\r\n", 400), ("Host: a, b\r\n", 400), ("Host: a,b\r\n", 400),
        ("Host: a/b\r\n", 400), ("Host: a?b\r\n", 400), ("Host: a#b\r\n", 400),
        ("Host: u@a\r\n", 400), ("Host: a:b\r\n", 400), ("Host: a:80:80\r\n", 400),
        ("Host: a:65536\r\n", 400), ("Host: a:-1\r\n", 400), ("Host: [::1\r\n", 400),
        ("Host: ::1\r\n", 400), ("Host: []\r\n", 400), ("Host: [g::1]\r\n", 400),
        ("Host: [::1]x\r\n", 400), ("Host: http://a\r\n", 400), ("Host: \u{E9}\r\n", 400),
        ("Host: a\"\r\n", 400), ("Host: <a>\r\n", 400), ("Host: :80\r\n", 400),
        ("Host : a\r\n", 400), ("Host\t: a\r\n", 400), (" Host: a\r\n", 400),
        ("\tHost: a\r\n", 400), ("Host a\r\n", 400), ("Host\r\n", 400), (": a\r\n", 400),
        ("Host: a\r\n: b\r\n", 400), ("Host: a\r\nX y\r\n", 400),
        ("Host: a\r\nX Y: z\r\n", 400), ("Host: a\r\nX : y\r\n", 400),
        ("Host: a\r\nX\t: y\r\n", 400), ("Host: a\r\n X: y\r\n", 400),
        ("Host: a\r\nX: y\r\n z\r\n", 400), ("Host: a\r\nX: y\r\n\tz\r\n", 400),
        ("Host: a\r\nX: y\r\n \r\n", 400), ("Host: a\r\n\u{0}X: y\r\n", 400),
        ("Host: a\r\nX\u{0}: y\r\n", 400), ("Host: a\r\nX: \u{0}\r\n", 400),
        ("Host: a\r\nX: a\u{0}b\r\n", 400), ("Host: a\r\nX: \u{1}\r\n", 400),
        ("Host: a\r\nX: \u{8}\r\n", 400), ("Host: a\r\nX: \u{B}\r\n", 400),
        ("Host: a\r\nX: \u{C}\r\n", 400), ("Host: a\r\nX: \u{1B}\r\n", 400),
        ("Host: a\r\nX: \u{1F}\r\n", 400), ("Host: a\r\nX: \u{7F}\r\n", 400),
        ("Host: a\r\nX(: y\r\n", 400), ("Host: a\r\nX): y\r\n", 400),
        ("Host: a\r\nX@: y\r\n", 400), ("Host: a\r\nX[: y\r\n", 400),
        ("Host: a\r\nX\": y\r\n", 400), ("Host: a\r\nX,: y\r\n", 400),
        ("Host: a\r\nX;: y\r\n", 400), ("Host: a\r\nX=: y\r\n", 400),
        ("Host: a\r\nX/: y\r\n", 400), ("Host: a\r\nX?: y\r\n", 400),
        ("Host: a\r\nX{: y\r\n", 400), ("Host: a\r\nX\u{E9}: y\r\n", 400),
        ("Host: a\nX: y\r\n", 400), ("Host: a\r\nX: y\n", 400), ("Host: a\r\n\n", 400),
        ("Host: a\rX: y\r\n", 400), ("Host: a\r\nX: y\r\r\n", 400), ("Host: a\r\nX: \r y\r\n", 400),
        ("\nHost: a\r\n", 400), ("Host: a\r\nX: y\r\nGET / HTTP/1.1\r\n", 400),
        ("Host: a\r\nExpect: 200-ok\r\n", 417), ("Host: a\r\nExpect: 100\r\n", 417),
        ("Host: a\r\nExpect: 100-continue, x\r\n", 417), ("Host: a\r\nExpect:\r\n", 417),
        ("Host: a\r\nExpect: 100-continue\r\nExpect: x\r\n", 417),
    ]

    /// Fields that frame a body wrongly.
    static let framings: [(String, Int)] = [
        ("Content-Length:\r\n", 400), ("Content-Length: \r\n", 400), ("Content-Length: x\r\n", 400),
        ("Content-Length: -1\r\n", 400), ("Content-Length: +1\r\n", 400),
        ("Content-Length: 1.0\r\n", 400), ("Content-Length: 0x1\r\n", 400),
        ("Content-Length: 1e1\r\n", 400), ("Content-Length: 1 1\r\n", 400),
        ("Content-Length: 1_000\r\n", 400), ("Content-Length: \"1\"\r\n", 400),
        ("Content-Length: 1;a\r\n", 400), ("Content-Length: 1,\r\n", 400),
        ("Content-Length: ,1\r\n", 400), ("Content-Length: 1, 1\r\n", 400),
        ("Content-Length: 1,1\r\n", 400), ("Content-Length: 1, 2\r\n", 400),
        ("Content-Length: \u{661}\r\n", 400), ("Content-Length: a1\r\n", 400),
        ("Content-Length: 1a\r\n", 400), ("Content-Length: 9223372036854775808\r\n", 400),
        ("Content-Length: 18446744073709551617\r\n", 400),
        ("Content-Length: 99999999999999999999999999\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("Content-Length: 0\r\ncontent-length: 0\r\n", 400),
        ("Content-Length: 1\r\nX: y\r\nCONTENT-LENGTH: 5\r\n", 400),
        ("Content-Length : 1\r\n", 400), ("Content-Length\u{0}: 1\r\n", 400),
        ("Content-Length: 1\u{0}\r\n", 400), ("Content-Length: 1\u{B}\r\n", 400),
        ("Content-Length: 1\r\n 2\r\n", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: x\r\n", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding:\r\n", 400), ("Transfer-Encoding: ,\r\n", 400),
        ("Transfer-Encoding: chunked,\r\n", 400), ("Transfer-Encoding: , chunked\r\n", 400),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", 400),
        ("Transfer-Encoding: chunked, identity\r\n", 400),
        ("Transfer-Encoding: chunked, gzip\r\n", 400), ("Transfer-Encoding: \"chunked\"\r\n", 400),
        ("Transfer-Encoding: chunked;a=b\r\n", 400), ("Transfer-Encoding: chunked x\r\n", 400),
        ("Transfer-Encoding: chun ked\r\n", 400), ("Transfer-Encoding: chunked\u{B}\r\n", 400),
        ("Transfer-Encoding: \u{0}chunked\r\n", 400), ("Transfer-Encoding : chunked\r\n", 400),
        ("Transfer-Encoding\t: chunked\r\n", 400), (" Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n", 400), ("Transfer-Encoding: chunked\n", 400),
        ("Transfer-Encoding: chunk\u{E9}d\r\n", 400), ("Transfer-Encoding: {chunked}\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 501), ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501), ("Transfer-Encoding: chunke\r\n", 501),
        ("Transfer-Encoding: chunkedx\r\n", 501), ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        ("Transfer-Encoding: cow, chunked\r\n", 501),
    ]

    /// Bodies after a head that says chunked.
    static let chunked: [(String, Int)] = [
        ("\r\n", 400), ("x\r\n", 400), ("g\r\nabc", 400), ("-1\r\n", 400),
        ("+3\r\nabc\r\n0\r\n\r\n", 400),
        ("0x3\r\nabc\r\n0\r\n\r\n", 400), (" 3\r\nabc\r\n0\r\n\r\n", 400),
        ("3 \r\nabc\r\n0\r\n\r\n", 400), ("3\t\r\nabc\r\n0\r\n\r\n", 400),
        ("3 x\r\nabc\r\n0\r\n\r\n", 400), ("3 ;x\r\nabc\r\n0\r\n\r\n", 400),
        ("3\nabc\r\n0\r\n\r\n", 400),
        ("3\rabc\r\n0\r\n\r\n", 400), ("3\r\nabc\n0\r\n\r\n", 400), ("3\r\nabc\r0\r\n\r\n", 400),
        ("3\r\nabcd\r\n0\r\n\r\n", 400), ("3\r\nab\r\n0\r\n\r\n", 400),
        ("3\r\nabc0\r\n\r\n", 400), ("3\r\nabc\r\n\r\n", 400), ("3\r\n\r\nabc\r\n0\r\n\r\n", 400),
        ("3,3\r\nabc\r\n", 400), ("3_0\r\n", 400), ("3.0\r\n", 400), ("\"3\"\r\nabc\r\n", 400),
        ("fffffffffffffffff\r\n", 400), ("8000000000000000\r\n", 400),
        ("10000000000000003\r\nabc\r\n0\r\n\r\n", 400), ("0000000000000003\r\nabc\r\n", 400),
        ("3;\u{0}\r\nabc\r\n0\r\n\r\n", 400), ("3;a\nabc\r\n0\r\n\r\n", 400),
        ("3;a\rb\r\nabc\r\n0\r\n\r\n", 400), ("3;a=\"\n\"\r\nabc\r\n0\r\n\r\n", 400),
        ("3;\u{7F}\r\nabc\r\n0\r\n\r\n", 400), ("3\u{0}\r\nabc\r\n", 400),
        ("0\r\nX\r\n\r\n", 400), ("0\r\nX : y\r\n\r\n", 400), ("0\r\n X: y\r\n\r\n", 400),
        ("0\r\n: y\r\n\r\n", 400), ("0\r\nX: y\n\r\n", 400), ("0\r\nX: y\r\n\n", 400),
        ("0\r\nX: y\rz\r\n\r\n", 400), ("0\r\nX: \u{0}\r\n\r\n", 400),
        ("0\r\nX: y\r\n z\r\n\r\n", 400), ("0\r\n\n", 400), ("0\r\n\rx", 400), ("0\n\r\n", 400),
        ("0\r\nX{}: y\r\n\r\n", 400),
    ]

    /// Whole requests.
    static let requests: [(String, Int)] = [
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\u{0}GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400), ("GET / HTTP/1.1\rHost: a\r\r", 400),
        ("\u{FEFF}GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /\r\n", 400),
        ("\u{16}\u{3}\u{1}", 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
        ("{\"json\": 1}\r\n\r\n", 400), ("SSH-2.0-OpenSSH_9\r\n", 400),
    ]

    static var all: [(String, Int)] {
        lines.map { ($0.0 + "\r\n" + host + "\r\n", $0.1) }
            + sections.map { ("GET / HTTP/1.1\r\n" + $0.0 + "\r\n", $0.1) }
            + framings.map { ("POST / HTTP/1.1\r\n" + host + $0.0 + "\r\n", $0.1) }
            + chunked.map {
                ("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + $0.0, $0.1)
            } + requests
    }
}

@Suite struct MalformedRequestTests {
    private func isRefused(_ request: String, _ status: Int, byByte: Bool) {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        sink.onFinish = { wire.exchange.respond(Response(status: 200)) }
        let bytes = Array((request + "GET /second HTTP/1.1\r\nHost: a\r\n\r\n").utf8)
        if byByte {
            for byte in bytes { wire.send([byte]) }
        } else {
            wire.send(bytes)
        }
        let responses = wire.responses()
        #expect(responses.map(\.status) == [status], "\(request.debugDescription)")
        #expect(wire.ending == .closeAfterLinger, "\(request.debugDescription)")
        guard let response = responses.first else { return }
        #expect(response.fields["connection"] == "close")
        #expect(response.fields["content-type"] == "application/problem+json")
        #expect(response.body.hasPrefix("{\"type\":\"/problems/"))
        #expect(response.body.hasSuffix("}"))
        #expect(sink.finishes == 0)
        #expect(sink.aborts == (wire.handler.heads.isEmpty ? [] : [.malformed]))
        #expect(wire.handler.heads.allSatisfy { $0.path != "/second" })
        #expect(wire.engine.deadline == nil)
        #expect(wire.engine.readDemand == .none)
    }

    @Test func `every malformed request is refused once and the connection closed`() {
        #expect(Malformed.all.count >= 150)
        for (request, status) in Malformed.all {
            isRefused(request, status, byByte: false)
            isRefused(request, status, byByte: true)
        }
    }

    @Test func `the refusals have the names of the table of errors`() {
        func name(_ request: String) -> String? {
            let wire = Wire.echo()
            wire.send(request)
            return wire.responses().first?.body.split(separator: "\"").dropFirst(2).dropFirst()
                .first.map(String.init)
        }
        let run = String(repeating: "a", count: 9000)
        #expect(name("GET /\(run) HTTP/1.1\r\n") == "/problems/uri-too-long")
        #expect(name("GET / HTTP/1.1\r\nX: \(run)\r\n") == "/problems/headers-too-large")
        #expect(name("GET / HTTP/2.0\r\n") == "/problems/version-not-supported")
        #expect(name("GET / HTTP/1.1\r\n\r\n") == "/problems/malformed-request")
        let host = "POST / HTTP/1.1\r\nHost: a\r\n"
        #expect(name(host + "Transfer-Encoding: gzip\r\n\r\n") == "/problems/not-implemented")
        #expect(name(host + "Expect: x\r\n\r\n") == "/problems/expectation-failed")
    }
}
