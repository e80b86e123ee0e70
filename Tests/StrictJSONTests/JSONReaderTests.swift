import StrictJSON
import Testing

/// What RFC 8259 allows and forbids; the cases follow its grammar section by section.
@Suite struct JSONReaderTests {
    static func read(_ text: String, depth: Int = 16) throws(JSONError) -> JSONValue {
        try JSONReader.read(Array(text.utf8), maximumDepth: depth)
    }

    @Test func `a document is read as it is written`() throws {
        let value = try Self.read(
            #" { "a" : [ 1 , -2.5e3 , true , false , null , "x" ] , "b" : { } , "" : [ ] } "#)
        let members = try #require(value.objectValue).members
        #expect(members.map(\.name) == ["a", "b", ""])
        let elements = try members[0].value.elements
        #expect(try elements.prefix(2).map { try $0.number.literal } == ["1", "-2.5e3"])
        #expect(elements.dropFirst(2) == [.bool(true), .bool(false), .null, .string("x")])
        #expect(members[1].value == .object(JSONObject()))
        #expect(members[2].value == .array([]))
    }

    @Test(arguments: [
        "null", "true", "0", "\"\"", "[]", "{}", "\t\n\r 1 \r\n\t", "-0", "-0.0e-00", "1E+2",
        "[[[[]]]]", "\"\u{7F}\"", "\"\u{2028}\"", #""\/""#, #"{"\u0000":1}"#, #"{"a":{"a":{}}}"#,
    ])
    func `a valid document is taken`(text: String) throws {
        _ = try Self.read(text)
    }

    @Test(arguments: [
        ("", 0), (" ", 1), ("[", 1), ("{", 1), ("]", 0), ("}", 0), ("[}", 1), ("{]", 1),
        ("[1,]", 3), ("[,1]", 1), ("[1,,2]", 3), ("[1 2]", 3), ("{\"a\":1,}", 7), ("{,}", 1),
        ("{\"a\"}", 4), ("{\"a\" 1}", 5), ("{\"a\":}", 5), ("{a:1}", 1), ("{'a':1}", 1),
        ("{1:1}", 1), ("{\"a\":1 \"b\":2}", 7), ("{\"a\":1,,\"b\":2}", 7), ("[1]]", 3), ("1 2", 2),
        ("{}x", 2), ("[1]\u{0}", 3), ("nul", 0), ("tru", 0), ("fals", 0), ("True", 0),
        ("nullx", 4), ("// c\n1", 0), ("[1/**/]", 2), ("\u{0C}1", 0), ("\u{A0}1", 0),
        ("01", 0), ("-01", 0), ("00", 0), ("+1", 0), (".5", 0), ("1.", 2), ("-", 1), ("1e", 2),
        ("1e+", 3), ("1.e1", 2), ("-a", 1), ("0x1", 1), ("1_0", 1), ("1f", 1), ("--1", 1),
        ("NaN", 0), ("Infinity", 0), ("-Infinity", 1), ("nan", 0), ("[NaN]", 1),
        ("\"", 1), ("\"a", 2), ("\"\\", 2), ("\"\\\"", 3), ("'a'", 0), ("\"\\x41\"", 1),
        ("\"\\u12\"", 5), ("\"\\u12g4\"", 5), ("\"\\U0041\"", 1), ("\"a\nb\"", 2), ("\"\t\"", 1),
        ("\"\u{0}\"", 1), ("\"\u{1F}\"", 1), ("\"\\ud800\"", 1), ("\"\\udc00\"", 1),
        ("\"\\ud800\\ud800\"", 1), ("\"\\ud800x\"", 1), ("\"\\udc00\\ud800\"", 1),
        ("\"\\ud800\\n\"", 1), ("\u{FEFF}1", 0), ("[\u{FEFF}1]", 1),
    ])
    func `what the grammar does not have is refused where it is`(
        text: String, offset: Int
    ) throws {
        let error = try #require(throws: JSONError.self) { try Self.read(text) }
        #expect(error.offset == offset, "\(error)")
    }

    @Test(
        arguments: [
            ([0x80], 0), ([0xFF], 0), ([0xC3], 0), ([0xC3, 0x28], 0), ([0x61, 0xE2, 0x82], 1),
            // Overlong, a surrogate in UTF-8, beyond U+10FFFF, five bytes.
            ([0xC0, 0xAF], 0), ([0xE0, 0x80, 0xAF], 0), ([0xED, 0xA0, 0x80], 0),
            ([0xF4, 0x90, 0x80, 0x80], 0), ([0xF8, 0x88, 0x80, 0x80, 0x80], 0),
            // A sequence that an escape cuts in two.
            ([0xC3, 0x5C, 0x6E, 0xA9], 0), ([0x5C, 0x6E, 0xA9], 2),
        ] as [([UInt8], Int)])
    func `ill-formed UTF-8 is refused in values and names`(bytes: [UInt8], offset: Int) throws {
        let quote = UInt8(ascii: "\"")
        let value = [quote] + bytes + [quote]
        let error = try #require(throws: JSONError.self) {
            try JSONReader.read(value, maximumDepth: 4)
        }
        #expect(error.offset == 1 + offset)
        #expect(error.reason.contains("UTF-8"))
        let name = Array("{".utf8) + value + Array(":1}".utf8)
        #expect(throws: JSONError.self) { try JSONReader.read(name, maximumDepth: 4) }
    }

    @Test func `escapes are undone`() throws {
        let text = #""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\uDE00é\u0000z""#
        #expect(
            try Self.read(text)
                == .string("\"\\/\u{8}\u{C}\n\r\tAé€😀é\u{0}z"))
    }

    @Test func `a name that occurs twice is refused and named`() throws {
        let error = try #require(throws: JSONError.self) {
            try Self.read(#"{"alpha":1,"b":{"alpha":2},"\u0061lpha":3}"#)
        }
        #expect(error.offset == 27)
        #expect(error.reason.contains("\"alpha\""))
    }

    @Test func `names that are canonically equivalent count as the same`() {
        #expect(throws: JSONError.self) { try Self.read("{\"\u{E9}\":1,\"e\u{301}\":2}") }
    }

    @Test func `a long name is cut in the error`() throws {
        let name = String(repeating: "n", count: 100_000)
        let error = try #require(throws: JSONError.self) {
            try Self.read("{\"\(name)\":1,\"\(name)\":2}")
        }
        #expect(error.reason.utf8.count < 400)
    }

    @Test func `nesting is bounded`() throws {
        #expect(throws: Never.self) { try Self.read("[[{\"a\":[]}]]", depth: 4) }
        let error = try #require(throws: JSONError.self) {
            try Self.read("[[{\"a\":[]}]]", depth: 3)
        }
        #expect(error.offset == 7)
        #expect(throws: Never.self) { try Self.read("1", depth: 0) }
        #expect(throws: JSONError.self) { try Self.read("[]", depth: 0) }
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONError.self) { try Self.read(deep, depth: 32) }
    }

    @Test func `siblings do not count as nesting`() throws {
        let text = "[" + String(repeating: "[{}],", count: 1_000) + "[]]"
        #expect(try Self.read(text, depth: 3).elements.count == 1_001)
    }

    @Test func `non-finite numbers pass only where they are allowed`() throws {
        let text = #"[NaN,Infinity,-Infinity,-1]"#
        let value = try JSONReader.read(
            Array(text.utf8), maximumDepth: 1, allowsNonFiniteNumbers: true)
        let numbers = try value.elements.map { try $0.number }
        #expect(numbers.map(\.literal) == ["NaN", "Infinity", "-Infinity", "-1"])
        #expect(numbers[0].double.isNaN)
        #expect(numbers[1].double == .infinity)
        #expect(numbers[2].double == -.infinity)
        #expect(numbers[0].int == nil)
        for text in ["nan", "Inf", "-NaN", "+Infinity", "NaNs", "-Inf", "Infinit"] {
            #expect(throws: JSONError.self) {
                try JSONReader.read(
                    Array(text.utf8), maximumDepth: 1, allowsNonFiniteNumbers: true)
            }
        }
    }

    @Test func `every proper prefix of a document is refused`() throws {
        let bytes = Array(#"{"a":[1.5e3,{"é\n😀":null}],"b":true,"c":"\ud83d\ude00"}"#.utf8)
        for count in 0..<bytes.count {
            #expect(throws: JSONError.self) {
                try JSONReader.read(Array(bytes[..<count]), maximumDepth: 8)
            }
        }
    }
}
