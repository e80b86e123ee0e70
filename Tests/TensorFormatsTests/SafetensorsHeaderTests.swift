import TensorFormats
import Tensors
import Testing

/// Headers that the format forbids, after the reference reader's checks, and some it allows.
@Suite struct SafetensorsHeaderTests {
    struct BadHeader: Sendable, CustomTestStringConvertible {
        let json: String
        let detail: String
        var tensor: String?
        var dataByteCount = 16
        var testDescription: String { json }
    }

    static func entry(
        _ name: String = "a", dtype: String = #""I32""#, shape: String = "[2,2]",
        offsets: String = "[0,16]"
    ) -> String {
        #""\#(name)":{"dtype":\#(dtype),"shape":\#(shape),"data_offsets":\#(offsets)}"#
    }

    static func bad(_ entry: String, _ detail: String) -> BadHeader {
        BadHeader(json: "{\(entry)}", detail: detail, tensor: "a")
    }

    static let positions = [
        bad(entry(offsets: "[4,20]"), "hole"),
        bad(entry(offsets: "[1,17]"), "hole"),
        BadHeader(
            json: "{\(entry(offsets: "[0,16]")),\(entry("b", offsets: "[20,36]"))}",
            detail: "leaving a hole after 16", tensor: "b", dataByteCount: 36),
        BadHeader(
            json: "{\(entry(offsets: "[0,16]")),\(entry("b", offsets: "[12,28]"))}",
            detail: "within the tensor that ends at 16", tensor: "b", dataByteCount: 28),
        BadHeader(
            json: "{\(entry(offsets: "[0,16]")),\(entry("b", offsets: "[0,16]"))}",
            detail: "within the tensor", tensor: "b"),
        BadHeader(
            json: "{\(entry()),\(entry("b", shape: "[0]", offsets: "[4,4]"))}",
            detail: "within the tensor", tensor: "b"),
        BadHeader(
            json: "{\(entry()),\(entry("b", shape: "[0]", offsets: "[20,20]"))}",
            detail: "hole", tensor: "b"),
        bad(entry(offsets: "[16,0]"), "before they begin"),
        bad(entry(shape: "[0]", offsets: "[4,0]"), "before they begin"),
    ]

    static let sizes = [
        bad(entry(offsets: "[0,4]"), "make 16 bytes, but data_offsets span 4"),
        bad(entry(offsets: "[0,15]"), "span 15"),
        bad(entry(offsets: "[0,0]"), "span 0"),
        bad(entry(shape: "[]"), "make 4 bytes"),
        bad(entry(shape: "[0]"), "make 0 bytes"),
        bad(entry(shape: "[2,18446744073709551614]"), "not 18446744073709551614"),
        bad(entry(shape: "[2,9223372036854775807]"), "too large"),
        bad(entry(shape: "[4611686018427387904]"), "too large"),
        bad(entry(shape: "[4294967296,4294967296,0]", offsets: "[0,0]"), "too large"),
    ]

    static let numbers = [
        bad(entry(shape: "[-2,-2]"), "a dimension must be an integer"),
        bad(entry(shape: "[2.0,2]"), "not 2.0"),
        bad(entry(shape: "[-0]", offsets: "[0,0]"), "not -0"),
        bad(entry(offsets: "[-0,16]"), "not -0"),
        bad(entry(shape: "[4e0]"), "not 4e0"),
        bad(entry(shape: #"["4"]"#), "must be a number, not a string"),
        bad(entry(shape: "[null]"), "must be a number, not null"),
        bad(entry(shape: "[[4]]"), "must be a number, not an array"),
        bad(entry(shape: "4"), "shape must be an array, not a number"),
        bad(entry(shape: "null"), "shape must be an array, not null"),
        bad(entry(shape: "{}"), "shape must be an array, not an object"),
        bad(entry(shape: "[04]"), "leading zero"),
        bad(entry(shape: "[NaN]"), "not valid JSON"),
        bad(entry(offsets: "[-1,15]"), "not -1"),
        bad(entry(offsets: "[0.0,16]"), "not 0.0"),
        bad(entry(offsets: "[0,1.6e1]"), "not 1.6e1"),
        bad(entry(offsets: "[0,9223372036854775808]"), "not 9223372036854775808"),
        bad(entry(offsets: "[0,18446744073709551616]"), "not 18446744073709551616"),
        bad(entry(offsets: "[0]"), "2 numbers, not 1"),
        bad(entry(offsets: "[]"), "2 numbers, not 0"),
        bad(entry(offsets: "[0,16,16]"), "2 numbers, not 3"),
        bad(entry(offsets: #"{"begin":0,"end":16}"#), "must be an array, not an object"),
        bad(entry(dtype: "4"), "dtype must be a string, not a number"),
        bad(entry(dtype: "null"), "dtype must be a string, not null"),
        bad(entry(dtype: #"["I32"]"#), "dtype must be a string, not an array"),
    ]

    static let keys = [
        bad(#""a":{"shape":[2,2],"data_offsets":[0,16]}"#, #""dtype" is missing"#),
        bad(#""a":{"dtype":"I32","data_offsets":[0,16]}"#, #""shape" is missing"#),
        bad(#""a":{"dtype":"I32","shape":[2,2]}"#, #""data_offsets" is missing"#),
        bad(#""a":{}"#, "is missing"),
        bad(#""a":[]"#, "must be an object, not an array"),
        bad(#""a":null"#, "must be an object, not null"),
        bad(#""a":"x""#, "must be an object, not a string"),
        bad(
            #""a":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"x":1}"#,
            #""x" is not a part"#),
        bad(#""a":{"Dtype":"I32","shape":[2,2],"data_offsets":[0,16]}"#, #""Dtype" is not"#),
        bad(
            #""a":{"dtype":"I32","dtype":"I32","shape":[2,2],"data_offsets":[0,16]}"#,
            #""dtype" occurs twice"#),
        bad(
            #""a":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"shape":[4]}"#,
            #""shape" occurs twice"#),
        bad(
            #""a":{"data_offsets":[0,16],"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}"#,
            #""data_offsets" occurs twice"#),
        bad("\(entry()),\(entry())", "the name occurs twice"),
        BadHeader(
            json: "{\(entry("\u{E9}")),\(entry("e\u{301}", offsets: "[16,32]"))}",
            detail: "the name occurs twice", tensor: "\u{E9}", dataByteCount: 32),
        bad("\(entry()),\(entry(#"\u0061"#, offsets: "[16,32]"))", "the name occurs twice"),
    ]

    static let metadata = [
        BadHeader(json: #"{"__metadata__":null}"#, detail: "must be an object, not null"),
        BadHeader(json: #"{"__metadata__":[]}"#, detail: "must be an object, not an array"),
        BadHeader(json: #"{"__metadata__":"x"}"#, detail: "must be an object, not a string"),
        BadHeader(json: #"{"__metadata__":{"a":1}}"#, detail: "must be a string, not a number"),
        BadHeader(json: #"{"__metadata__":{"a":null}}"#, detail: "must be a string, not null"),
        BadHeader(json: #"{"__metadata__":{"a":{}}}"#, detail: "must be a string, not an object"),
        BadHeader(
            json: #"{"__metadata__":{"a":"x","a":"x"}}"#,
            detail: #""a" occurs twice in __metadata__"#),
        BadHeader(
            json: #"{"__metadata__":{},"__metadata__":{}}"#, detail: "occurs twice",
            tensor: "__metadata__"),
    ]

    static let documents = [
        BadHeader(json: "", detail: "found the end"),
        BadHeader(json: " ", detail: "found the end"),
        BadHeader(json: "{", detail: "found the end"),
        BadHeader(json: "[]", detail: "the header must be an object, not an array"),
        BadHeader(json: "null", detail: "the header must be an object, not null"),
        BadHeader(json: "7", detail: "the header must be an object, not a number"),
        BadHeader(json: "{}{}", detail: "nothing after the value"),
        BadHeader(json: "{}\u{0}\u{0}", detail: "nothing after the value"),
        BadHeader(json: "{},", detail: "nothing after the value"),
        BadHeader(json: "{\(entry()),}", detail: "trailing comma"),
        BadHeader(json: "\u{FEFF}{}", detail: "byte order mark"),
        BadHeader(json: "{'a':1}", detail: "double quotes"),
        bad(entry().replacing("]", with: ",]"), "trailing comma"),
        BadHeader(json: #"{"\ud800":{}}"#, detail: "lone surrogate"),
    ]

    @Test(arguments: [positions, sizes, numbers, keys, metadata, documents].flatMap { $0 })
    func `a header that breaks the format is refused`(header: BadHeader) throws {
        let body = body(header.json, data: header.dataByteCount)
        for cut in [0, 8, 9, 8 + header.json.utf8.count] {
            let error = try #require(throws: ModelError.self) { try decode(body, cuts: [cut]) }
            #expect(error.category == .malformed)
            #expect(error.detail.contains(header.detail), "\(error)")
            #expect(error.tensor == header.tensor, "\(error)")
            let offset = try #require(error.offset)
            #expect((8...8 + header.json.utf8.count).contains(offset))
        }
    }

    @Test func `an error says where in the body it is`() throws {
        let json = "{\(Self.entry()),\(Self.entry())}"
        let error = try #require(throws: ModelError.self) { try decode(body(json, data: 16)) }
        // Brace, entry, comma; the header begins at byte 8.
        #expect(error.offset == 8 + 1 + Self.entry().utf8.count + 1)
        #expect("\(error)" == "tensor \"a\": the name occurs twice (byte 65)")
    }

    @Test func `ill-formed UTF-8 in a name is refused`() throws {
        let json = Array("{\"".utf8) + [0xFF] + Array("\":{}}".utf8)
        let error = try #require(throws: ModelError.self) { try decode(body(json, data: 0)) }
        #expect(error.offset == 10)
        #expect(error.detail.contains("UTF-8"))
    }

    @Test(arguments: [
        "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "C64", "f32", "float32", "",
    ])
    func `another element type is unsupported and named`(name: String) throws {
        let json = "{\(Self.entry(dtype: "\"\(name)\""))}"
        let error = try #require(throws: ModelError.self) { try decode(body(json, data: 16)) }
        #expect(error == .unsupportedType(name: name, tensor: "a"))
        #expect(error.category == .unsupported)
    }

    @Test func `long names are cut in errors`() throws {
        let name = String(repeating: "é", count: 5_000)
        for json in [
            "{\(Self.entry(name, dtype: "\"\(name)\""))}", "{\(Self.entry(name, shape: "[1]"))}",
            #"{"__metadata__":{"\#(name)":"","\#(name)":""}}"#, #"{"a":{"\#(name)":1}}"#,
            "{\(Self.entry(shape: "[" + String(repeating: "9", count: 5_000) + "]"))}",
        ] {
            let error = try #require(throws: ModelError.self) { try decode(body(json, data: 16)) }
            #expect("\(error)".utf8.count < 1_200)
        }
    }

    @Test func `nesting beyond the format's is refused`() throws {
        let deep = String(repeating: "[", count: 500_000)
        #expect(throws: ModelError.self) { try decode(body(#"{"a":"# + deep, data: 0)) }
        #expect(throws: ModelError.self) {
            try decode(body(#"{"a":{"shape":"# + deep, data: 0))
        }
    }

    // MARK: What is allowed

    @Test(arguments: [
        "  \n{}", "{}\r\n\t ", "\t{ }", "{}" + String(repeating: " ", count: 1_000),
    ])
    func `white space around the header is allowed`(json: String) throws {
        #expect(try decode(body(json, data: 0)).header.tensors.isEmpty)
    }

    @Test func `white space inside the header is allowed`() throws {
        let json = #"""
             {
              "__metadata__" : { } ,
              "a" : { "shape" : [ 2 , 2 ] , "data_offsets" : [ 0 , 16 ] , "dtype" : "I32" }
            }
            """#
        #expect(try decode(body(json, data: 16))["a"] == Array(1...16))
    }

    @Test func `names are the file's own`() throws {
        for name in ["", " ", "a/b.c", #"\u0000"#, #"\"__metadata__\""#, "名前", "__METADATA__"] {
            let model = try decode(body("{\(Self.entry(name))}", data: 16))
            #expect(model.header.tensors.count == 1)
        }
    }

    @Test func `tensors come in the order of their data`() throws {
        let json =
            "{" + Self.entry("z", dtype: #""U8""#, shape: "[3]", offsets: "[5,8]") + ","
            + Self.entry("m", dtype: #""U8""#, shape: "[]", offsets: "[4,5]") + ","
            + Self.entry("e2", shape: "[0,7]", offsets: "[4,4]") + ","
            + Self.entry("e1", shape: "[3,0]", offsets: "[4,4]") + ","
            + Self.entry("e3", shape: "[0]", offsets: "[8,8]") + ","
            + Self.entry("a", dtype: #""F16""#, shape: "[2,1]", offsets: "[0,4]") + "}"
        let model = try decode(body(json, data: 8))
        #expect(model.header.tensors.map(\.spec.name) == ["a", "e2", "e1", "m", "z", "e3"])
        #expect(model.header.tensors.map(\.byteOffset) == [0, 4, 4, 4, 5, 8])
        #expect(model.data == [[1, 2, 3, 4], [], [], [5], [6, 7, 8], []])
    }

    @Test func `a zero dimension before huge ones is allowed`() throws {
        let json = "{\(Self.entry(shape: "[0,9223372036854775807,3]", offsets: "[0,0]"))}"
        #expect(try decode(body(json, data: 0)).header.tensors[0].spec.elementCount == 0)
    }
}
