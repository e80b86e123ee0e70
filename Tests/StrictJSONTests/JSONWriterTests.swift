import StrictJSON
import Testing

@Suite struct JSONWriterTests {
    func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test func `members come in the order given with commas between`() {
        let written = text { json in
            json.beginObject()
            json.key("z")
            json.int(1)
            json.key("a")
            json.beginArray()
            json.bool(true)
            json.null()
            json.beginObject()
            json.endObject()
            json.beginArray()
            json.endArray()
            json.string("s")
            json.endArray()
            json.key("raw")
            json.raw(Array("[0]".utf8))
            json.key("last")
            json.bool(false)
            json.endObject()
        }
        #expect(written == #"{"z":1,"a":[true,null,{},[],"s"],"raw":[0],"last":false}"#)
    }

    @Test func `a member is its name and its value, or null`() {
        let written = text { json in
            json.beginObject()
            json.member("a\"", "s\"")
            json.member("b", -1)
            json.member("c", 0.5)
            json.member("d", true)
            json.member("e", nil as String?)
            json.member("f", nil as Int?)
            json.member("g", nil as Double?)
            json.endObject()
        }
        #expect(
            written == #"{"a\"":"s\"","b":-1,"c":0.5,"d":true,"e":null,"f":null,"g":null}"#)
    }

    @Test func `strings are escaped where RFC 8259 demands it`() {
        #expect(
            text { $0.string("\"\\/\u{8}\n\r\t\u{0}\u{1F}\u{7F}é😀") }
                == "\"\\\"\\\\/\\u0008\\n\\r\\t\\u0000\\u001f\u{7F}é😀\"")
        #expect(
            text {
                $0.beginObject()
                $0.key("a\"b")
                $0.null()
                $0.endObject()
            } == #"{"a\"b":null}"#)
    }

    @Test(arguments: [0, 7, -7, 10, 1_000_000, Int.max, Int.min])
    func `an integer is written in decimal`(value: Int) {
        #expect(text { $0.int(value) } == "\(value)")
    }

    /// The shortest digits, from CPython's `repr`.
    @Test(arguments: [
        (0.1, "0.1"), (1.0 / 3.0, "0.3333333333333333"), (2.0, "2.0"), (-0.0, "-0.0"),
        (.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1e-5, "1e-05"), (123456.789, "123456.789"), (0.1 + 0.2, "0.30000000000000004"),
    ])
    func `a double is written in its shortest form`(value: Double, expected: String) throws {
        let written = text { $0.double(value) }
        #expect(written == expected)
        let back = try JSONReader.read(Array(written.utf8), maximumDepth: 0)
        #expect(try back.number.double.bitPattern == value.bitPattern)
    }

    @Test func `random doubles read back to the same bits`() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let value = Double(bitPattern: generator.next())
            guard value.isFinite else { continue }
            var writer = JSONWriter()
            writer.double(value)
            let back = try JSONReader.read(writer.bytes, maximumDepth: 0)
            #expect(try back.number.double.bitPattern == value.bitPattern, "\(value.bitPattern)")
        }
    }

    @Test func `every scalar survives writing and reading`() throws {
        let scalars = (0...0x10FFFF).lazy.compactMap { Unicode.Scalar(UInt32($0)) }
        var all = String.UnicodeScalarView()
        all.append(contentsOf: scalars)
        let value = String(all)
        var writer = JSONWriter()
        writer.string(value)
        guard case .string(let back) = try JSONReader.read(writer.bytes, maximumDepth: 0) else {
            Issue.record("no string")
            return
        }
        #expect(Array(back.utf8) == Array(value.utf8))
    }
}
