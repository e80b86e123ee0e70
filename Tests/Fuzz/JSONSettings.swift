import Foundation
import Sessions
import StrictJSON

/// What our strict reader accepts, another parser reads alike; written anew it reads equal; and
/// so do settings that are accepted.
enum JSONSettings {
    private static let depth = 8

    static func check(_ input: FuzzInput) {
        guard let value = try? JSONReader.read(input.bytes, maximumDepth: depth) else { return }
        let other = try? JSONSerialization.jsonObject(
            with: Data(input.bytes), options: .fragmentsAllowed)
        if input.bytes.contains(0xEF) {
            // The other parser may take a string's first character for a byte order mark.
        } else if let other {
            expectEqual(value, other)
        } else {
            expect(hasHugeNumber(value), "another parser refuses this")
        }
        expect(read(written { write(value, &$0) }) == value, "it reads otherwise, written anew")

        guard let settings = try? SessionSettings(value, maximumAverages: 4) else { return }
        let canonical = written { settings.write(to: &$0) }
        let again = try? SessionSettings(read(canonical), maximumAverages: 4)
        expect(again == settings, "\(String(decoding: canonical, as: UTF8.self)) reads otherwise")
        expect((1...4).contains(settings.averages.count), "\(settings.averages.count) averages")
        expect(settings.averages.allSatisfy { ResourceName.isValid($0.name) }, "a wrong name")
    }

    private static func written(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        write(&writer)
        return writer.bytes
    }

    private static func read(_ bytes: [UInt8]) -> JSONValue {
        do throws(JSONError) {
            return try JSONReader.read(bytes, maximumDepth: depth)
        } catch {
            expect(false, "\(String(decoding: bytes, as: UTF8.self)): \(error)")
            return .null
        }
    }

    private static func write(_ value: JSONValue, _ writer: inout JSONWriter) {
        switch value {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .number(let number): writer.raw(number.literal.utf8)
        case .string(let text): writer.string(text)
        case .array(let elements):
            writer.beginArray()
            for element in elements { write(element, &writer) }
            writer.endArray()
        case .object(let object):
            writer.beginObject()
            for (name, value) in object.members {
                writer.key(name)
                write(value, &writer)
            }
            writer.endObject()
        }
    }

    private static func expectEqual(_ value: JSONValue, _ other: Any) {
        switch value {
        case .null: expect(other is NSNull, "no null: \(other)")
        case .bool(let value): expect(other as? Bool == value, "no \(value): \(other)")
        case .string(let text): expect(other as? String == text, "no \(text): \(other)")
        case .number(let number):
            // The other parser goes through decimal fractions of 38 digits.
            let difference = ((other as? NSNumber)?.doubleValue ?? .nan) - number.double
            expect(
                difference.magnitude <= 1e-14 * number.double.magnitude, "\(number), not \(other)")
        case .array(let elements):
            guard let others = other as? [Any], others.count == elements.count else {
                return expect(false, "no array of \(elements.count)")
            }
            for (element, other) in zip(elements, others) { expectEqual(element, other) }
        case .object(let object):
            guard let others = other as? [String: Any], others.count == object.members.count else {
                return expect(false, "no object of \(object.members.count)")
            }
            for (name, value) in object.members {
                guard let other = others[name] else { return expect(false, "no \(name)") }
                expectEqual(value, other)
            }
        }
    }

    /// Beyond a double's range the other parser throws.
    private static func hasHugeNumber(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool, .string: false
        case .number(let number): !(number.double.magnitude < 1e300)
        case .array(let elements): elements.contains(where: hasHugeNumber)
        case .object(let object): object.members.contains { hasHugeNumber($0.value) }
        }
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    JSONSettings.check(FuzzInput(start, count))
    return 0
}
