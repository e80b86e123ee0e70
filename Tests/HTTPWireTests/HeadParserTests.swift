import ServiceLimits
import Testing

@testable import HTTPWire

/// A head's outcome in a form that can be compared.
private enum Outcome: Equatable {
    case head(String)
    case refused(WireError)
    case incomplete
}

/// Feeds `pieces` one after another to one reader.
private func read(_ pieces: [ArraySlice<UInt8>], limits: Limits = Limits()) -> Outcome {
    var reader = HeadReader(peer: .loopback)
    var taken = 0
    for piece in pieces {
        do throws(WireError) {
            let (count, head) = try piece.withUnsafeBytes { bytes in
                Result { () throws(WireError) in try reader.receive(bytes, limits: limits) }
            }.get()
            taken += count
            if let head { return .head(describe(head) + " \(taken)") }
        } catch {
            return .refused(error)
        }
    }
    return .incomplete
}

private func read(_ text: String, limits: Limits = Limits()) -> Outcome {
    read([Array(text.utf8)[...]], limits: limits)
}

private func describe(_ head: ParsedHead) -> String {
    let request = head.request
    let fields = request.fields.entries.map { entry in
        String(decoding: request.fields.bytes[entry.name], as: UTF8.self) + "="
            + String(decoding: request.fields.bytes[entry.value], as: UTF8.self)
    }
    return "\(request.method) \(request.path) \(request.query ?? "-") \(fields) \(request.body) "
        + "\(request.expectsContinue) \(head.isOldVersion) \(head.keepsAlive)"
}

private func head(_ text: String) throws -> ParsedHead {
    var parser = HeadParser(peer: .loopback)
    let bytes = Array(text.utf8)
    let result = bytes.withUnsafeBytes { bytes in
        Result { () throws(WireError) in try parser.parse(bytes, limits: Limits()) }
    }
    return try #require(try result.get())
}

private let samples = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET /a?b=c HTTP/1.1\r\nHost: a:80\r\nX:\t v w \r\nEmpty:\r\n\r\nrest of it",
    "POST /p HTTP/1.1\r\nhost: a\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\nbody",
    "POST /p HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\nConnection: x, Close\r\n\r\n",
    "GET http://h:1/x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \u{7F}\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX-\u{E9}: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: caf\u{E9}\r\n\r\n",
]

@Suite struct HeadParserTests {
    @Test(arguments: samples) func `a head cut at any byte gives what it gives whole`(
        _ text: String
    ) {
        let bytes = Array(text.utf8)
        let whole = read([bytes[...]])
        for cut in 0...bytes.count {
            #expect(read([bytes[..<cut], bytes[cut...]]) == whole, "cut at \(cut)")
        }
        #expect(read(bytes.indices.map { bytes[$0...$0] }) == whole)
        #expect(whole != .incomplete)
    }

    @Test func `every part of a head is told`() throws {
        let parsed = try head(
            "PUT /v1/a%20b?x=1?y HTTP/1.1\r\nHost: [::1]:8080\r\nX-Thing: \t one  two \t\r\n"
                + "x-thing: three\r\nContent-Length: 007\r\nExpect: 100-continue\r\n\r\n")
        let request = parsed.request
        #expect(request.method == "PUT")
        #expect(request.path == "/v1/a%20b")
        #expect(request.query == "x=1?y")
        #expect(request.fields.count == 5)
        #expect(request.fields.all("x-thing") == ["one  two", "three"])
        #expect(request.fields.first("host") == "[::1]:8080")
        #expect(request.body == .known(7))
        #expect(request.expectsContinue)
        #expect(request.peer == .loopback)
        #expect(parsed.keepsAlive)
        #expect(!parsed.isOldVersion)
    }

    @Test(
        arguments: [
            ("GET http://example.org HTTP/1.1", "/", nil),
            ("GET http://example.org?q HTTP/1.1", "/", "q"),
            ("GET HTTP://example.org:80/a/b?c HTTP/1.1", "/a/b", "c"),
            ("GET https://[2001:db8::1]/a HTTP/1.1", "/a", nil),
            ("OPTIONS * HTTP/1.1", "*", nil),
            ("OPTIONS http://example.org:8001 HTTP/1.1", "*", nil),
            ("OPTIONS http://example.org:8001/ HTTP/1.1", "/", nil),
            ("GET /? HTTP/1.1", "/", ""),
            ("GET //a//b HTTP/1.1", "//a//b", nil),
            ("GET /a[0]|%zz HTTP/1.1", "/a[0]|%zz", nil),
            ("M-SEARCH /~a;b=c,d@e!$&'()*+ HTTP/1.1", "/~a;b=c,d@e!$&'()*+", nil),
        ] as [(String, String, String?)])
    func `targets are taken apart as RFC 9112 section 3-2 says`(
        _ line: String, _ path: String, _ query: String?
    ) throws {
        let request = try head(line + "\r\nHost: other\r\n\r\n").request
        #expect(request.path == path)
        #expect(request.query == query)
    }

    @Test(arguments: [
        ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive, CLOSE\r\n", false),
        ("HTTP/1.1", "Connection: closed\r\n", true),
        ("HTTP/1.0", "", false), ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
    ]) func `the connection is kept as RFC 9112 section 9-3 says`(
        _ version: String, _ fields: String, _ keeps: Bool
    ) throws {
        #expect(try head("GET / \(version)\r\nHost: a\r\n\(fields)\r\n").keepsAlive == keeps)
    }

    @Test func `HTTP 1-0 needs no Host and has no expectations`() throws {
        let parsed = try head(
            "POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        #expect(parsed.isOldVersion)
        #expect(!parsed.request.expectsContinue)
        #expect(try head("GET / HTTP/1.0\r\nExpect: something\r\n\r\n").isOldVersion)
    }

    @Test func `an expectation without a body waits for nothing`() throws {
        let text = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        #expect(try head(text + "\r\n").request.expectsContinue == false)
        #expect(try head(text + "Content-Length: 0\r\n\r\n").request.expectsContinue == false)
        #expect(try head(text + "Content-Length: 1\r\n\r\n").request.expectsContinue == true)
    }

    @Test(arguments: [-1, 0, 1]) func `the limits hold to the byte`(_ excess: Int) {
        let limits = Limits()
        func accepted(_ text: String) -> Bool {
            let whole = read(text, limits: limits)
            let bytes = Array(text.utf8)
            #expect(read(bytes.indices.map { bytes[$0...$0] }, limits: limits) == whole)
            if case .head = whole { return true }
            return false
        }
        func run(_ count: Int) -> String { String(repeating: "a", count: count) }
        let isIn = excess <= 0

        // The fixed part of the line is "GET / HTTP/1.1", 14 bytes.
        let line = "GET /\(run(limits.requestLineBytes + excess - 14)) HTTP/1.1\r\n"
        #expect(accepted(line + "Host: a\r\n\r\n") == isIn)

        let field = "X: \(run(limits.fieldBytes + excess - 3))\r\n"
        #expect(accepted("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n") == isIn)

        // Four fields of 8,000 bytes and Host, 7, and one that fills the rest.
        let filler = String(repeating: "X: \(run(7_997))\r\n", count: 4)
        let rest = "Y: \(run(limits.headerBytes - 32_007 + excess - 3))\r\n"
        #expect(accepted("GET / HTTP/1.1\r\nHost: a\r\n\(filler)\(rest)\r\n") == isIn)

        let fields = String(repeating: "X: y\r\n", count: limits.fields - 1 + excess)
        #expect(accepted("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n") == isIn)
    }

    @Test func `a line that has no end is refused at its limit`() {
        let run = String(repeating: "a", count: 9000)
        #expect(read("GET /" + run) == .refused(.requestLineTooLong))
        #expect(read("GET / HTTP/1.1\r\nHost: a\r\nX: " + run) == .refused(.fieldTooLong))
    }

    @Test func `Content-Length counts to the largest Int and no further`() throws {
        let text = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: "
        #expect(try head(text + "9223372036854775807\r\n\r\n").request.body == .known(.max))
        #expect(read(text + "9223372036854775808\r\n\r\n") == .refused(.invalidContentLength))
    }

    @Test func `control characters are found wherever they lie in a word`() {
        for position in 0..<24 {
            for control in [0, 1, 8, 10, 11, 13, 31, 127] as [UInt8] {
                var bytes = [UInt8](repeating: 0x80, count: 24)
                bytes[(position + 3) % 24] = Byte.tab
                bytes[(position + 5) % 24] = 0xFF
                bytes[position] = control
                let found = bytes.withUnsafeBytes { ByteScan.firstControl($0, from: 0) }
                #expect(found == position)
            }
        }
        let clean = (0x20...0xFF).map { UInt8($0) }.filter { $0 != 0x7F } + [Byte.tab]
        #expect(clean.withUnsafeBytes { ByteScan.firstControl($0, from: 0) } == clean.count)
    }
}
