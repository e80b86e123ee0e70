import HTTPWire
import Testing

@Suite struct ConditionTests {
    private func decide(
        _ fields: [(String, String)], method: String = "GET", current: EntityTag? = EntityTag("v1")
    ) -> Conditions.Decision {
        var header = HeaderFields()
        for (name, value) in fields { header.append(name: name, value: value) }
        return Conditions.evaluate(header, method: method, current: current)
    }

    /// The table of RFC 9110 section 8.8.3.2.
    @Test(arguments: [
        (true, "1", true, "1", false, true), (true, "1", true, "2", false, false),
        (true, "1", false, "1", false, true), (false, "1", false, "1", true, true),
    ]) func `tags compare as the RFC's table says`(
        _ weakA: Bool, _ a: String, _ weakB: Bool, _ b: String, _ strong: Bool, _ weak: Bool
    ) {
        let first = EntityTag(a, isWeak: weakA)
        let second = EntityTag(b, isWeak: weakB)
        #expect(first.stronglyMatches(second) == strong)
        #expect(first.weaklyMatches(second) == weak)
        #expect(EntityTag("1", isWeak: true).fieldValue == "W/\"1\"")
    }

    @Test(arguments: [
        ("\"v1\"", true), ("*", true), ("\"v0\", \"v1\"", true), ("\"v0\",,\t\"v1\" ,", true),
        ("W/\"v1\"", false), ("\"v0\"", false), ("\"V1\"", false), ("v1", false), ("", false),
        ("\"v1", false), ("w/\"v1\"", false), ("*, \"v1\"", false), ("\"v1\" \"v2\"", false),
        ("\"a,b\", \"v1\"", true),
    ]) func `If-Match compares strongly and fails when it is malformed`(
        _ field: String, _ holds: Bool
    ) {
        let decision = decide([("If-Match", field)])
        #expect(decision == (holds ? .proceed(honorsRange: true) : .preconditionFailed))
        #expect(decide([("If-Match", field)], current: nil) == .preconditionFailed)
    }

    @Test(arguments: [
        ("\"v1\"", true), ("*", true), ("W/\"v1\"", true), ("\"v0\", W/\"v1\"", true),
        ("\"v0\"", false), ("\"v0\", \"v2\"", false), ("v1", false), ("\"v1", false),
    ]) func `If-None-Match compares weakly and is ignored when it is malformed`(
        _ field: String, _ matches: Bool
    ) {
        let fields = [("If-None-Match", field)]
        #expect(decide(fields) == (matches ? .notModified : .proceed(honorsRange: true)))
        #expect(
            decide(fields, method: "HEAD")
                == (matches ? .notModified : .proceed(honorsRange: false)))
        #expect(
            decide(fields, method: "PUT")
                == (matches ? .preconditionFailed : .proceed(honorsRange: false)))
        #expect(decide(fields, current: nil) == .proceed(honorsRange: true))
    }

    @Test func `If-Match goes before If-None-Match and several fields are one list`() {
        #expect(
            decide([("If-None-Match", "\"v1\""), ("If-Match", "\"v0\"")]) == .preconditionFailed)
        #expect(decide([("If-None-Match", "\"v1\""), ("If-Match", "\"v1\"")]) == .notModified)
        #expect(decide([("If-None-Match", "\"v0\""), ("If-None-Match", "\"v1\"")]) == .notModified)
    }

    @Test(arguments: [
        ("\"v1\"", true), ("W/\"v1\"", false), ("\"v0\"", false), ("*", false),
        ("Sat, 29 Oct 1994 19:43:31 GMT", false), ("\"v1\", \"v1\"", false), ("", false),
    ]) func `If-Range takes one strong tag`(_ field: String, _ holds: Bool) {
        #expect(decide([("If-Range", field)]) == .proceed(honorsRange: holds))
        #expect(decide([("If-Range", field)], current: nil) == .proceed(honorsRange: false))
        let weak = EntityTag("v1", isWeak: true)
        #expect(decide([("If-Range", field)], current: weak) == .proceed(honorsRange: false))
    }

    /// The examples of RFC 9110 section 14.1.2 among others; the representation has 10,000 bytes.
    @Test(
        arguments: [
            ("bytes=0-499", .satisfiable(0..<500)), ("bytes=500-999", .satisfiable(500..<1000)),
            ("bytes=-500", .satisfiable(9500..<10000)), ("bytes=9500-", .satisfiable(9500..<10000)),
            ("bytes=0-0", .satisfiable(0..<1)), ("bytes=9999-9999", .satisfiable(9999..<10000)),
            ("bytes=9999-99999", .satisfiable(9999..<10000)), ("BYTES=1-1", .satisfiable(1..<2)),
            ("bytes=0-", .satisfiable(0..<10000)), ("bytes=-10000", .satisfiable(0..<10000)),
            ("bytes=-10001", .satisfiable(0..<10000)), ("bytes= 1-2 ", .satisfiable(1..<3)),
            ("bytes=0-99999999999999999999", .satisfiable(0..<10000)),
            ("bytes=-99999999999999999999", .satisfiable(0..<10000)),
            ("bytes=0-9223372036854775807", .satisfiable(0..<10000)),
            ("bytes=10000-", .unsatisfiable), ("bytes=10000-10001", .unsatisfiable),
            ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=0-0,-1", .whole), ("bytes=500-600,601-999", .whole), ("bytes=2-1", .whole),
            ("bytes=", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole), ("bytes=1", .whole),
            ("bytes=1--2", .whole), ("bytes=+1-2", .whole), ("bytes=1-2-3", .whole),
            ("bytes 1-2", .whole), ("bytes = 1-2", .whole), ("bytes=1 - 2", .whole),
            ("items=0-1", .whole), ("=0-1", .whole), ("", .whole), ("0-1", .whole),
        ] as [(String, ByteRange)])
    func `a range is resolved against the length`(_ field: String, _ range: ByteRange) {
        #expect(ByteRange(field, length: 10_000) == range)
    }

    @Test func `nothing has no satisfiable range`() {
        #expect(ByteRange("bytes=0-", length: 0) == .unsatisfiable)
        #expect(ByteRange("bytes=-5", length: 0) == .whole)
        #expect(ByteRange("bytes=-0", length: 0) == .unsatisfiable)
        #expect(ByteRange(nil, length: 10) == .whole)
    }
}
