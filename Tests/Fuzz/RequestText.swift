import Foundation
@testable import HTTPWire

/// Paths and queries are decoded as another decoder does it; fields that ask for something are
/// read without a crash and within their bounds.
enum RequestText {
    static func check(_ input: FuzzInput) {
        let text = String(decoding: input.bytes, as: UTF8.self)
        checkPath(text)
        checkQuery(text)
        checkFields(text)
    }

    private static func checkPath(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(Substring($0)).removingPercentEncoding }
        let isGood =
            text.utf8.first == UInt8(ascii: "/")
            && parts.allSatisfy { $0?.utf8.contains(0) == false }
        let expected = text == "/" ? [] : parts.dropFirst().compactMap { $0 }
        let segments = RequestTarget.decodePath(text, leading: .max)?.segments
        expect(segments == (isGood ? expected : nil), "\(segments as Any), not \(expected)")
        guard let (leading, rest) = RequestTarget.decodePath(text, leading: 2) else { return }
        expect(leading.count <= 2, "\(leading)")
        if let segments {
            expect(Array(segments.prefix(2)) == leading, "\(leading) of \(segments)")
            let decoded = rest.flatMap { RequestTarget.decode($0) }
            let joined = segments.dropFirst(2).joined(separator: "/")
            expect(decoded == (segments.count > 2 ? joined : nil), "\(rest as Any)")
        }
    }

    private static func checkQuery(_ text: String) {
        guard let query = QueryItems(text) else { return }
        guard let again = QueryItems(query.canonical) else {
            return expect(false, "\(query.canonical) is refused")
        }
        expect(again.canonical == query.canonical, "\(again.canonical), \(query.canonical)")
        func sorted(_ query: QueryItems) -> [String] {
            query.items.map { "\(Array($0.name.utf8)) \(Array($0.value.utf8))" }.sorted()
        }
        expect(sorted(again) == sorted(query), "\(again.items) of \(query.items)")
        if let duplicate = query.firstDuplicate {
            expect(query.items.filter { $0.name == duplicate }.count > 1, "\(duplicate) once")
        }
    }

    private static func checkFields(_ text: String) {
        for length in [0, 1, 10] {
            if case .satisfiable(let range) = ByteRange(text, length: length) {
                expect(range.lowerBound >= 0 && range.upperBound <= length, "\(range)")
                expect(!range.isEmpty, "an empty range")
            }
        }
        let offered = ["application/vnd.safetensors", "text/plain", "application/json"]
        let accept = AcceptHeader(text)
        let best = accept.best(of: offered)
        expect(best.map { offered.contains($0) } ?? true, "\(best as Any) was not offered")
        for type in offered {
            expect((0...1000).contains(accept.quality(of: type)), "\(type)")
            expect(best != nil || accept.quality(of: type) == 0, "\(type) was wanted")
        }
        _ = PreferHeader.wait(text)
        var fields = HeaderFields()
        fields.append(name: "if-none-match", value: text)
        fields.append(name: "if-match", value: text)
        fields.append(name: "if-range", value: text)
        let current = EntityTag("a")
        _ = Conditions.evaluate(fields, method: "GET", current: current)
        expect(EntityTagList(current.fieldValue) != nil, "our own tag is refused")
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    RequestText.check(FuzzInput(start, count))
    return 0
}
