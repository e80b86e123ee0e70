import ServiceLimits

/// One setting: a row of the table that the flags, the environment's names, the file's keys,
/// `polyak config` and `config/polyak.yaml` are all made from.
struct Setting: Sendable {
    /// A property of `Settings`.
    typealias Path<Value> = WritableKeyPath<Settings, Value> & Sendable

    /// Where a setting's value lives, how it is written, and what it may be.
    enum Kind: Sendable {
        case count(any Path<Int>, ClosedRange<Int>)
        case bytes(any Path<Int>, ClosedRange<Int>)
        case bytesPerSecond(any Path<Int>, ClosedRange<Int>)
        case duration(any Path<Duration>, ClosedRange<Duration>)
        case flag(any Path<Bool>)
        case choice(any Path<String>, [String])
        /// A path, or the word that stands for none.
        case path(any Path<String>, none: String)
        case addresses(any Path<[String]>)
    }

    /// The name in the file: words joined by hyphens.
    let key: String
    let kind: Kind
    /// What it does and why its default is what it is, in a sentence or two.
    let summary: String

    init(_ key: String, _ kind: Kind, _ summary: String) {
        self.key = key
        self.kind = kind
        self.summary = summary
    }

    var flag: String { "--" + key }

    var environmentName: String {
        Setting.environmentPrefix + key.uppercased().replacing("-", with: "_")
    }

    static let environmentPrefix = "POLYAK_"

    /// Whether the flag stands alone, without a value.
    var isFlag: Bool {
        if case .flag = kind { true } else { false }
    }

    /// Whether several values may be given.
    var isList: Bool {
        if case .addresses = kind { true } else { false }
    }

    /// What a value is written in.
    var unit: String {
        switch kind {
        case .count: "a number"
        case .bytes: "bytes: B, KiB, MiB, GiB or TiB"
        case .bytesPerSecond: "bytes a second: B/s, KiB/s, MiB/s or GiB/s"
        case .duration: "time: ms, s, m or h"
        case .flag: "a truth value"
        case .choice: "a word"
        case .path: "a path"
        case .addresses: "an address, or a list of them"
        }
    }

    /// The values that are taken, in words.
    var range: String {
        switch kind {
        case .count(_, let range): "\(range.lowerBound) to \(range.upperBound)"
        case .bytes(_, let range):
            Quantity.text(bytes: range.lowerBound) + " to " + Quantity.text(bytes: range.upperBound)
        case .bytesPerSecond(_, let range):
            Quantity.text(bytesPerSecond: range.lowerBound) + " to "
                + Quantity.text(bytesPerSecond: range.upperBound)
        case .duration(_, let range):
            Quantity.text(range.lowerBound) + " to " + Quantity.text(range.upperBound)
        case .flag: "true, false"
        case .choice(_, let words): words.joined(separator: ", ")
        case .path(_, let none):
            "\(none), or a path; a relative one begins in the working directory"
        case .addresses:
            "1 to 16 of HOST:PORT, https://HOST:PORT or unix:/PATH; an IPV6 host as [IPV6]"
        }
    }

    /// Range and unit, as an error and the reference file name them.
    var allowed: String {
        switch kind {
        case .count, .bytes, .bytesPerSecond, .duration: "\(range) (\(unit))"
        case .flag, .choice, .path, .addresses: range
        }
    }

    /// The setting of this key, if there is one.
    static func named(_ key: String) -> Setting? {
        table.first { $0.key == key }
    }
}
