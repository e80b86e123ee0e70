import HTTPWire
import ServiceLimits
import Testing

private func changed(
    _ fields: [(String, String)], _ name: String, _ value: String?
) -> [(String, String)] {
    fields.compactMap { $0.0 == name ? value.map { (name, $0) } : $0 }
}

private let get = HTTP2Client.get()
private let pseudo = Array(get.prefix(4))

@Suite struct HTTP2RequestTests {
    @Test func `a request is what it would be over HTTP1`() {
        let client = HTTP2Client.echo()
        client.send(.headers(1, HTTP2Client.get("/a/b?c=d&e", [("x-y", "z"), ("x-y", "w")])))
        let head = client.wire.handler.heads[0]
        #expect(head.method == "GET" && head.path == "/a/b" && head.query == "c=d&e")
        #expect(head.fields.first("host") == "a")
        #expect(head.fields.count == 3)
        #expect(head.body == .none && !head.expectsContinue && head.peer == .loopback)
        let answer = client.answer(1)
        #expect(answer.status == 200 && answer.text == "/a/b" && answer.isComplete)
        #expect(answer.fields["content-length"] == "4")
        #expect(answer.fields["date"]?.hasSuffix(" GMT") == true)
        #expect(answer.fields["connection"] == nil)
        #expect(answer.reset == nil)
    }

    /// RFC 7541 appendix C.3 and C.4: three requests on one connection, whose later blocks refer to
    /// the fields of the earlier ones.
    @Test(arguments: [
        [
            "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ],
        [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ],
    ]) func `the examples of RFC 7541 are read`(_ blocks: [String]) {
        let client = HTTP2Client.echo()
        for (index, block) in blocks.enumerated() {
            let bytes = stride(from: 0, to: block.count, by: 2).map { offset in
                let start = block.index(block.startIndex, offsetBy: offset)
                return UInt8(block[start...].prefix(2), radix: 16) ?? 0
            }
            let flags = Frame.endHeaders | Frame.endStream
            client.send(Frame(.headers, flags: flags, stream: 2 * index + 1, bytes))
        }
        let heads = client.wire.handler.heads
        #expect(heads.map(\.path) == ["/", "/", "/index.html"])
        #expect(heads.allSatisfy { $0.fields.first("host") == "www.example.com" })
        #expect(heads[1].fields.first("cache-control") == "no-cache")
        #expect(heads[2].fields.first("custom-key") == "custom-value")
        #expect([1, 3, 5].allSatisfy { client.answer($0).status == 200 })
    }

    @Test func `a head cut into frames and bytes is the same head`() {
        let block = HPACK.block(HTTP2Client.get("/x", [("a", "b")]))
        let frames = [
            Frame(.headers, flags: Frame.endStream, stream: 1, Array(block.prefix(3))),
            Frame(.continuation, stream: 1, Array(block.dropFirst(3).prefix(10))),
            Frame(.continuation, flags: Frame.endHeaders, stream: 1, Array(block.dropFirst(13))),
        ]
        let client = HTTP2Client.echo()
        for byte in frames.flatMap(\.bytes) { client.wire.send([byte]) }
        client.settle()
        #expect(client.answer(1).text == "/x")
    }

    /// RFC 9113 sections 8.2 and 8.3: each is a stream error, and the connection goes on.
    @Test(arguments: [
        changed(get, ":path", nil), changed(get, ":scheme", nil), changed(get, ":method", nil),
        changed(get, ":authority", nil), changed(get, ":path", ""), changed(get, ":path", "x"),
        pseudo + [(":path", "/")], pseudo + [("x", "y"), (":path", "/")],
        pseudo + [(":status", "200")], pseudo + [(":unknown", "1")], pseudo + [("X", "y")],
        pseudo + [("x y", "z")], pseudo + [("", "z")], pseudo + [("x:", "z")],
        pseudo + [("x", "a\rb")], pseudo + [("x", "a\nb")], pseudo + [("x", "a\0b")],
        pseudo + [("x", " a")], pseudo + [("x", "a\t")], pseudo + [("connection", "close")],
        pseudo + [("transfer-encoding", "chunked")], pseudo + [("keep-alive", "1")],
        pseudo + [("proxy-connection", "close")], pseudo + [("upgrade", "h2c")],
        pseudo + [("te", "gzip")], pseudo + [("content-length", "5")],
        pseudo + [("content-length", "0"), ("content-length", "0")],
        pseudo + [("content-length", "-1")], pseudo + [("content-length", "+0")],
        pseudo + [("content-length", "99999999999999999999")],
    ]) func `a malformed head never reaches the service`(_ fields: [(String, String)]) {
        let client = HTTP2Client.echo()
        client.send(.headers(1, fields))
        #expect(client.wire.handler.heads.isEmpty)
        #expect(client.answer(1).reset == 1 || client.answer(1).status == 400)
        client.send(.headers(3, get))
        #expect(client.answer(3).status == 200)
        #expect(client.wire.ending == nil)
    }

    /// What nghttp2 lets pass and HTTP/1.1 does not.
    @Test(arguments: [
        changed(get, ":path", "/a b"), changed(get, ":path", "/a\"b"),
        changed(get, ":path", "/\u{e9}"), changed(get, ":path", "*"),
        changed(get, ":scheme", "ftp"), changed(get, ":authority", "a b"),
        changed(get, ":authority", "u@a"), changed(get, ":authority", "a:99999"),
        changed(get, ":authority", ""), changed(get, ":method", "G(T"),
        get + [("host", "b")], changed(get, ":authority", nil) + [("host", "a"), ("host", "a")],
    ]) func `a request line that HTTP1 refuses is refused`(_ fields: [(String, String)]) {
        let client = HTTP2Client.echo()
        client.send(.headers(1, fields))
        #expect(client.wire.handler.heads.isEmpty)
        let answer = client.answer(1)
        #expect(answer.reset == 1 || answer.status == 400)
        client.send(.headers(3, get))
        #expect(client.answer(3).status == 200)
    }

    @Test(arguments: [
        (get + [("host", "A")], "a"), (changed(get, ":authority", nil) + [("host", "b:1")], "b:1"),
        (changed(get, ":scheme", "https"), "a"), (get + [("te", "trailers")], "a"),
    ]) func `a well-formed head is taken`(_ fields: [(String, String)], _ host: String) {
        let client = HTTP2Client.echo()
        client.send(.headers(1, fields))
        #expect(client.answer(1).status == 200)
        #expect(client.wire.handler.heads[0].fields.all("host") == [host])
    }

    @Test func `OPTIONS may ask for the whole server, CONNECT for nothing`() {
        let client = HTTP2Client.echo()
        client.send(
            .headers(1, changed(changed(get, ":method", "OPTIONS"), ":path", "*")),
            .headers(3, [(":method", "CONNECT"), (":authority", "a:1")]))
        #expect(client.wire.handler.heads.map(\.path) == ["*"])
        #expect(client.answer(3).status == 400)
    }

    @Test func `an expectation that is not known is answered with 417`() {
        let client = HTTP2Client.echo()
        client.send(.headers(1, get + [("expect", "x")]))
        #expect(client.answer(1).status == 417)
    }

    @Test func `the body's length is what the head says`() {
        let client = HTTP2Client { _, _ in .discard }
        client.send(
            .headers(1, HTTP2Client.post, end: false),
            .headers(3, HTTP2Client.post + [("content-length", "7")], end: false),
            .headers(5, HTTP2Client.post),
            .headers(7, HTTP2Client.post + [("content-length", "0")]),
            .headers(9, HTTP2Client.post + [("expect", "100-continue")], end: false),
            .headers(11, HTTP2Client.post + [("expect", "100-continue")]))
        let heads = client.wire.handler.heads
        #expect(heads.map(\.body) == [.unknown, .known(7), .none, .known(0), .unknown, .none])
        #expect(heads.map(\.expectsContinue) == [false, false, false, false, true, false])
    }

    // MARK: Limits

    static let small: Limits = {
        var limits = Limits()
        (limits.requestLineBytes, limits.fieldBytes, limits.headerBytes) = (1000, 300, 2000)
        limits.fields = 10
        return limits
    }()

    private func status(_ fields: [(String, String)]) -> Int {
        let client = HTTP2Client.echo(limits: Self.small)
        client.send(.headers(1, fields))
        #expect(client.wire.ending == nil)
        #expect(client.answer(1).reset == nil && client.answer(1).isComplete)
        return client.answer(1).status
    }

    @Test(arguments: [(999, 200), (1000, 200), (1001, 414)])
    func `a path has its limit`(_ count: Int, _ expected: Int) {
        let path = "/" + String(repeating: "x", count: count - 1)
        #expect(status(HTTP2Client.get(path)) == expected)
    }

    @Test(arguments: [(299, 200), (300, 200), (301, 431)])
    func `a field has its limit, with its colon and space`(_ count: Int, _ expected: Int) {
        let field = ("name", String(repeating: "x", count: count - 6))
        #expect(status(HTTP2Client.get("/", [field])) == expected)
    }

    @Test(arguments: [(1999, 200), (2000, 200), (2001, 431)])
    func `the fields together have their limit`(_ count: Int, _ expected: Int) {
        // `host: a` takes seven bytes.
        let whole = Array(repeating: ("name", String(repeating: "x", count: 244)), count: 7)
        let last = ("name", String(repeating: "x", count: count - 7 - 7 * 250 - 6))
        #expect(status(HTTP2Client.get("/", whole + [last])) == expected)
    }

    @Test(arguments: [(9, 200), (10, 200), (11, 431)])
    func `the number of fields has its limit`(_ count: Int, _ expected: Int) {
        let fields = Array(repeating: ("name", "x"), count: count - 1)
        #expect(status(HTTP2Client.get("/", fields)) == expected)
    }

    @Test func `one stream more than the limit is refused`() {
        var limits = Limits()
        limits.streams = 3
        let client = HTTP2Client(limits: limits) { _, _ in .discard }
        for stream in 0..<4 { client.send(.headers(2 * stream + 1, get)) }
        #expect(client.wire.handler.heads.count == 3)
        #expect(client.goAway == 1 || client.answer(7).reset == 7)
    }
}
