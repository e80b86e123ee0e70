import Foundation
import ServiceLimits
import Testing

@testable import polyak

@Suite struct SettingTableTests {
    @Test func `keys are words joined by hyphens, and no two are equal`() {
        let keys = Setting.table.map(\.key)
        #expect(Set(keys).count == keys.count)
        for key in keys {
            #expect(key.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil, "\(key)")
        }
    }

    @Test func `flag and variable follow from the key`() throws {
        let setting = try #require(Setting.named("idle-timeout"))
        #expect(setting.flag == "--idle-timeout")
        #expect(setting.environmentName == "POLYAK_IDLE_TIMEOUT")
    }

    @Test(arguments: Setting.table)
    func `a default may be given as it is shown`(setting: Setting) {
        var settings = Settings()
        let accepted = setting.assign(setting.texts(in: settings), to: &settings)
        #expect(accepted, "\(setting.key)")
        #expect(settings == Settings(), "\(setting.key)")
    }

    @Test func `every limit has exactly one setting, and every setting changes one property`() {
        var changedLimits: [String] = []
        for setting in Setting.table {
            var settings = Settings()
            let other = Self.otherValue(of: setting)
            let accepted = setting.assign(other, to: &settings)
            #expect(accepted, "\(setting.key) refuses \(other)")
            #expect(setting.texts(in: settings) == other, "\(setting.key)")
            let limits = Self.differences(settings.limits, Limits())
            let rest = Self.differences(settings, Settings()).filter { $0 != "limits" }
            #expect(limits.count + rest.count == 1, "\(setting.key): \(limits) \(rest)")
            changedLimits += limits
        }
        let all = Mirror(reflecting: Limits()).children.compactMap(\.label)
        #expect(changedLimits.sorted() == all.sorted())
    }

    @Test(arguments: Setting.table)
    func `the ends of a range are in it and their neighbours are not`(setting: Setting) {
        let (inside, outside) = Self.edges(of: setting)
        for text in inside {
            var settings = Settings()
            let accepted = setting.assign([text], to: &settings)
            #expect(accepted, "\(setting.key) \(text)")
        }
        for text in outside {
            var settings = Settings()
            let accepted = setting.assign([text], to: &settings)
            #expect(!accepted, "\(setting.key) \(text)")
            #expect(settings == Settings(), "a refused value must change nothing")
        }
    }

    private static func otherValue(of setting: Setting) -> [String] {
        let standard = setting.texts(in: Settings())
        switch setting.kind {
        case .flag: return ["true"]
        case .choice(_, let words): return [words.first { [$0] != standard } ?? ""]
        case .path: return ["/somewhere/else"]
        case .addresses: return ["127.0.0.1:1", "unix:/tmp/socket"]
        default:
            let inside = edges(of: setting).inside
            return [inside.first { [$0] != standard } ?? ""]
        }
    }

    private static func edges(of setting: Setting) -> (inside: [String], outside: [String]) {
        func texts(
            _ range: ClosedRange<Int>, _ spell: (Int) -> String
        ) -> (inside: [String], outside: [String]) {
            (
                [spell(range.lowerBound), spell(range.upperBound)],
                [spell(range.lowerBound - 1), spell(range.upperBound + 1)]
            )
        }
        switch setting.kind {
        case .count(_, let range): return texts(range) { "\($0)" }
        case .bytes(_, let range): return texts(range, Quantity.text(bytes:))
        case .bytesPerSecond(_, let range): return texts(range, Quantity.text(bytesPerSecond:))
        case .duration(_, let range):
            let low = Int(range.lowerBound / .milliseconds(1))
            let high = Int(range.upperBound / .milliseconds(1))
            return texts(low...high) { Quantity.text(.milliseconds($0)) }
        case .flag: return (["true", "false"], ["yes", "1", "TRUE"])
        case .choice(_, let words): return (words, ["", "loud", words.joined(separator: " ")])
        case .path(_, let none): return ([none, "/a", "b/c"], [""])
        case .addresses: return (["[::1]:0", "localhost:65535"], ["", "8080", "a:65536"])
        }
    }

    private static func differences(_ one: Any, _ other: Any) -> [String] {
        zip(Mirror(reflecting: one).children, Mirror(reflecting: other).children)
            .filter { String(describing: $0.value) != String(describing: $1.value) }
            .compactMap { $0.0.label }
    }
}

extension Setting: CustomTestStringConvertible {
    public var testDescription: String { key }
}
