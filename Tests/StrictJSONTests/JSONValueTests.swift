import StrictJSON
import Testing

extension JSONValue {
    /// The number that this has to be.
    var number: JSONNumber {
        get throws {
            guard case .number(let value) = self else { return try #require(nil) }
            return value
        }
    }

    /// The elements of the array that this has to be.
    var elements: [JSONValue] {
        get throws {
            guard case .array(let value) = self else { return try #require(nil) }
            return value
        }
    }
}

@Suite struct JSONValueTests {
    private func number(_ text: String) throws -> JSONNumber {
        try JSONReader.read(Array(text.utf8), maximumDepth: 1).number
    }

    @Test(arguments: [
        ("0", 0), ("-0", 0), ("42", 42), ("9223372036854775807", Int.max),
        ("-9223372036854775808", Int.min),
    ])
    func `an integer literal that fits is an int`(text: String, expected: Int) throws {
        #expect(try number(text).int == expected)
    }

    @Test(arguments: [
        "1.0", "1e0", "1E2", "0.5", "9223372036854775808", "-9223372036854775809",
        "100000000000000000000000000000",
    ])
    func `another literal is no int`(text: String) throws {
        #expect(try number(text).int == nil)
    }

    /// Bit patterns from CPython's `float()`.
    @Test(
        arguments: [
            ("0.1", 0x3FB9_9999_9999_999A), ("-0", 0x8000_0000_0000_0000),
            ("1e23", 0x44B5_2D02_C7E1_4AF6),
            ("9007199254740993", 0x4340_0000_0000_0000), ("5e-324", 1), ("2e-324", 0),
            ("2.2250738585072011e-308", 0x000F_FFFF_FFFF_FFFF),
            ("2.2250738585072012e-308", 0x0010_0000_0000_0000),
            ("1.7976931348623157e308", 0x7FEF_FFFF_FFFF_FFFF),
            ("1.00000000000000011102230246251565404236316680908203125", 0x3FF0_0000_0000_0000),
            ("1.00000000000000011102230246251565404236316680908203126", 0x3FF0_0000_0000_0001),
            ("1e400", 0x7FF0_0000_0000_0000), ("-1e400", 0xFFF0_0000_0000_0000),
            ("1e-400", 0), ("1e99999999999999999999", 0x7FF0_0000_0000_0000),
        ] as [(String, UInt64)])
    func `a literal becomes the nearest double`(text: String, bits: UInt64) throws {
        #expect(try number(text).double.bitPattern == bits)
    }

    @Test func `a number of very many digits is read`() throws {
        #expect(try number(String(repeating: "9", count: 100_000)).double == .infinity)
        #expect(try number("0." + String(repeating: "3", count: 100_000)).double == 1.0 / 3.0)
    }

    @Test func `kinds are named in words`() throws {
        let value = try JSONReader.read(Array(#"[null,true,1,"",[],{}]"#.utf8), maximumDepth: 2)
        #expect(
            try value.elements.map(\.kind) == [
                "null", "a boolean", "a number", "a string", "an array", "an object",
            ])
    }

    @Test func `what is no object has no members`() {
        #expect(JSONValue.string("1").objectValue == nil)
        #expect(JSONValue.array([]).objectValue == nil)
    }

    @Test func `objects are equal whatever their order`() throws {
        func read(_ text: String) throws -> JSONValue {
            try JSONReader.read(Array(text.utf8), maximumDepth: 3)
        }
        #expect(try read(#"{"a":1,"b":[{}]}"#) == read(#"{ "b":[{}], "a":1 }"#))
        #expect(try read(#"{"a":1}"#) != read(#"{"a":2}"#))
        #expect(try read(#"{"a":1}"#) != read(#"{"a":1,"b":1}"#))
        #expect(try read(#"{"a":null}"#) != read(#"{"b":null}"#))
        #expect(try read("[1,2]") != read("[2,1]"))
    }

    @Test func `a member is found by its name`() throws {
        let value = try JSONReader.read(Array(#"{"a":1,"b":2}"#.utf8), maximumDepth: 1)
        let object = try #require(value.objectValue)
        #expect(try object["b"]?.number.int == 2)
        #expect(object["c"] == nil)
    }
}
