import StrictJSON
import Testing

@Suite struct JSONScannerTests {
    func scan<T>(_ text: String, _ body: (inout JSONScanner) throws -> T) rethrows -> T {
        try Array(text.utf8).withUnsafeBytes {
            var scanner = JSONScanner($0, maximumDepth: 8)
            return try body(&scanner)
        }
    }

    @Test func `a document is followed step by step`() throws {
        try scan(#" {"a":[1,"x"],"b":{},"c":true,"d":null} "#) { scanner in
            #expect(try scanner.peekKind() == .object)
            try scanner.enterObject()
            #expect(try scanner.nextName() == "a")
            #expect(scanner.nameOffset == 2)
            try scanner.enterArray()
            #expect(try scanner.nextElement())
            #expect(try scanner.readNumber().int == 1)
            #expect(try scanner.nextElement())
            #expect(try scanner.peekKind() == .string)
            #expect(try scanner.readString() == "x")
            #expect(try !scanner.nextElement())
            #expect(try scanner.nextName() == "b")
            try scanner.enterObject()
            #expect(try scanner.nextName() == nil)
            #expect(try scanner.nextName() == "c")
            #expect(try scanner.readBool())
            #expect(try scanner.nextName() == "d")
            try scanner.readNull()
            #expect(try scanner.nextName() == nil)
            try scanner.finish()
        }
    }

    @Test func `another kind than the one asked for is an error that names both`() throws {
        try scan("[1]") { scanner in
            let error = try #require(throws: JSONError.self) { try scanner.enterObject() }
            #expect(error == JSONError(offset: 0, reason: "expected an object, found an array"))
            try scanner.enterArray()
            #expect(try scanner.nextElement())
            #expect(throws: JSONError.self) { try scanner.readString() }
            #expect(throws: JSONError.self) { try scanner.readBool() }
            #expect(throws: JSONError.self) { try scanner.readNull() }
            #expect(try scanner.readNumber().literal == "1")
        }
    }

    @Test func `an error says where`() {
        let error = JSONError(offset: 7, reason: "expected a value, found the end")
        #expect("\(error)" == "expected a value, found the end at byte 7")
    }
}
