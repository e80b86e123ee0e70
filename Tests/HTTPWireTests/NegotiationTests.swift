import HTTPWire
import Testing

@Suite struct NegotiationTests {
    /// The example of RFC 9110 section 12.5.1. For its last row the RFC prints 0.7, which its
    /// field, without any range for text/html, does not give.
    @Test(arguments: [
        ("text/plain;format=flowed", 1000), ("text/plain", 700), ("text/html", 300),
        ("image/jpeg", 500), ("text/plain;format=fixed", 400), ("text/html;level=3", 300),
    ]) func `the most specific range decides as in the example`(_ type: String, _ quality: Int) {
        let field =
            "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, "
            + "text/plain;format=fixed;q=0.4, */*;q=0.5"
        #expect(AcceptHeader(field).quality(of: type) == quality)
    }

    @Test(
        arguments: [
            (nil, "a/x"), ("", "a/x"), ("*/*", "a/x"), ("b/y", "b/y"), ("B/Y", "b/y"),
            ("b/*", "b/y"),
            ("a/x;q=0.5, b/y", "b/y"), ("a/x;q=0, */*", "b/y"), ("*/*;q=0.1, b/y;q=0.2", "b/y"),
            ("c/z", nil), ("a/x;q=0, b/y;q=0.000", nil), ("a/*, a/x;q=0", nil), (",, b/y ,", "b/y"),
            ("a/x;q=1.000,b/y;q=0.999", "a/x"), ("b/y ; q=1 , a/x ; q=0.1", "b/y"),
            ("b/y;p=\"q,;\\\"\"", nil), ("b/y;q=1;ext=1", "b/y"),
        ] as [(String?, String?)])
    func `the most wanted type is chosen and the server breaks ties`(
        _ field: String?, _ chosen: String?
    ) {
        #expect(AcceptHeader(field).best(of: ["a/x", "b/y"]) == chosen)
    }

    @Test(arguments: [
        "b", "b/", "/y", "b/y;q=2", "b/y;q=1.001", "b/y;q=0.1234", "b/y;q=.5", "b/y;q=-1",
        "b/y;q=", "b/y;q=0.x", "*/y", "b/y x", "b/y;p", "b/y;p=\"", "b/y@",
    ]) func `a malformed Accept accepts everything`(_ field: String) {
        #expect(AcceptHeader(field).best(of: ["a/x", "b/y"]) == "a/x")
    }

    @Test(
        arguments: [
            (nil, nil), ("", nil), ("wait=30", 30), ("Wait = 30", 30), ("wait=\"30\"", 30),
            ("respond-async, wait=100", 100), ("wait=10;x=y, wait=20", 10), ("x; wait=5", nil),
            ("return=minimal; foo=\"some parameter\", wait=1", 1), ("wait", nil), ("wait=", nil),
            ("wait=-1", nil), ("wait=1.5", nil), ("wait=x", nil), ("waiting=1", nil), ("wait=0", 0),
            ("wait=99999999999999999999", .max), ("wait=30 x", nil), ("x=\"\\\"\", wait=7", 7),
            ("@, wait=1", nil),
        ] as [(String?, Int?)])
    func `wait is read from Prefer as RFC 7240 says`(_ field: String?, _ seconds: Int?) {
        #expect(PreferHeader.wait(field) == seconds)
    }
}

@Suite struct TargetTests {
    @Test(
        arguments: [
            ("/", []), ("/a", ["a"]), ("/a/b", ["a", "b"]), ("/a/", ["a", ""]), ("//a", ["", "a"]),
            ("/a%20b/%C3%A9", ["a b", "é"]), ("/a%2Fb/c", ["a/b", "c"]), ("/a%2fb", ["a/b"]),
            ("/a+b", ["a+b"]), ("/../.", ["..", "."]), ("/%2E%2E", [".."]), ("/%25", ["%"]),
            ("", nil), ("a", nil), ("*", nil), ("/%", nil), ("/%4", nil), ("/%4g", nil),
            ("/%zz", nil), ("/a/%00", nil), ("/%FF", nil), ("/%C3", nil), ("/%C0%AF", nil),
            ("/%ED%A0%80", nil), ("/%+41", nil),
        ] as [(String, [String]?)])
    func `a path is split at raw slashes and then decoded`(_ raw: String, _ segments: [String]?) {
        #expect(RequestTarget.decodePath(raw, leading: .max)?.segments == segments)
    }

    @Test func `what follows the leading segments stays raw`() throws {
        let path = "/v1/s%20t/tensors/layer/0%2Fweight"
        let (segments, rest) = try #require(RequestTarget.decodePath(path, leading: 3))
        #expect(segments == ["v1", "s t", "tensors"])
        #expect(rest == "layer/0%2Fweight")
        #expect(rest.flatMap { RequestTarget.decode($0) } == "layer/0/weight")
        #expect(RequestTarget.decodePath("/a/b", leading: 2)?.rest == nil)
        #expect(RequestTarget.decodePath("/a/b/", leading: 2)?.rest == "")
        #expect(RequestTarget.decodePath("/a", leading: 2)?.segments == ["a"])
        #expect(RequestTarget.decodePath("/%/b", leading: 1) == nil)
    }

    @Test func `a query is split and decoded strictly`() throws {
        let query = try #require(QueryItems("step=1&name=a%20b+c&flag&empty=&&x=y=z&step=2"))
        #expect(query.items.map(\.name) == ["step", "name", "flag", "empty", "x", "step"])
        #expect(query.first("name") == "a b+c")
        #expect(query.first("flag") == "" && query.first("empty") == "")
        #expect(query.first("x") == "y=z")
        #expect(query.first("nothing") == nil)
        #expect(query.firstDuplicate == "step")
        #expect(try #require(QueryItems("a=1&b=1")).firstDuplicate == nil)
        #expect(try #require(QueryItems(nil)).items.isEmpty)
        #expect(try #require(QueryItems("")).items.isEmpty)
        for malformed in ["a=%", "%zz=1", "a=%00", "a=%FF", "a=1&b=%4"] {
            #expect(QueryItems(malformed) == nil)
        }
    }

    @Test func `queries that mean the same have one canonical form`() throws {
        let forms = ["b=2&a=%31", "a=1&b=2", "%61=1&&b=%32"].map { QueryItems($0)?.canonical }
        #expect(forms == ["a=1&b=2", "a=1&b=2", "a=1&b=2"])
        #expect(QueryItems("a=%26%3d%20é")?.canonical == "a=%26%3D%20%C3%A9")
        #expect(QueryItems("a=1%26b=2")?.canonical != QueryItems("a=1&b=2")?.canonical)
        #expect(QueryItems("a=2&a=1")?.canonical == "a=1&a=2")
    }

    @Test func `a problem is JSON with its text escaped`() throws {
        let response = Problem(
            name: "too-large", status: 413, title: "Too large",
            detail: "a \"b\" \\ \n\t\u{1F} é 😀",
            extensions: [("limit", "1024"), ("na\"me", Problem.jsonString("x"))],
            fields: [("Retry-After", "1")]
        ).response()
        #expect(response.status == 413)
        #expect(response.fields.map(\.name) == ["Content-Type", "Retry-After", "Vary"])
        #expect(response.fields[0].value == "application/problem+json")
        guard case .bytes(let bytes) = response.body else {
            Issue.record("no bytes")
            return
        }
        let expected =
            #"{"type":"/problems/too-large","title":"Too large","status":413,"#
            + #""detail":"a \"b\" \\ \u000A\u0009\u001F é 😀","limit":1024,"na\"me":"x"}"#
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }
}
