public import Averaging
import ServiceLimits
public import StrictJSON

/// A session's settings with defaults and presets filled in, so that equal settings compare equal.
public struct SessionSettings: Sendable, Equatable {
    /// In byte order of their names.
    public var averages: [AverageSettings]
    /// The type that averages are kept in.
    public var accumulator: AccumulatorSetting
    /// Whether NaN and infinity may enter an average.
    public var nonFinite: NonFiniteSetting
    /// What an acknowledged change survives.
    public var durability: DurabilitySetting
}

/// One named average: how much of each model goes in, and from when on.
public struct AverageSettings: Sendable, Equatable {
    /// The average's id in the API.
    public var name: String
    /// How much of each model goes in.
    public var rule: Rule
    /// When averaging begins.
    public var trigger: Trigger
}

/// What happens to an upload whose folded result is not finite.
public enum NonFiniteSetting: String, Sendable, CaseIterable {
    case refuse
    case propagate
}

/// What an acknowledged change survives.
public enum DurabilitySetting: String, Sendable, CaseIterable {
    /// A crash of the service.
    case process
    /// A power cut too: the answer waits until the change is in the data directory.
    case disk
}

/// Names of sessions and averages: 1–128 of `A-Z a-z 0-9 . _ -`, not starting with a dot, so that
/// they are safe as file names.
public enum ResourceName {
    /// What is allowed, in words.
    public static let allowed = "1 to 128 of A-Z a-z 0-9 . _ -, not starting with a dot"

    /// Whether `name` is allowed.
    public static func isValid(_ name: String) -> Bool {
        let bytes = name.utf8
        return (1...128).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

extension SessionSettings {
    /// Reads the body of a session's creation (http-api.md, "Creating").
    ///
    /// - Throws: `SessionError.invalidSettings` naming the key, what was given and what is allowed.
    public init(_ json: JSONValue, maximumAverages: Int) throws(SessionError) {
        var members = try SettingsMembers(json, path: "")
        accumulator = try members.choice("accumulator", default: .auto)
        nonFinite = try members.choice("non_finite", default: .refuse)
        durability = try members.choice("durability", default: .process)
        if let named = members.take("averages") {
            try members.finish(allowed: ["averages", "accumulator", "non_finite", "durability"])
            averages = try SessionSettings.readAverages(named, maximum: maximumAverages)
        } else {
            averages = [try AverageSettings(name: "main", &members)]
        }
    }

    private static func readAverages(
        _ json: JSONValue, maximum: Int
    ) throws(SessionError) -> [AverageSettings] {
        guard case .object(let object) = json, (1...maximum).contains(object.members.count) else {
            throw .invalidSettings(
                key: "averages", given: json.settingsDescription,
                allowed: "an object with 1 to \(maximum) named averages")
        }
        var averages: [AverageSettings] = []
        for member in object.members {
            guard ResourceName.isValid(member.name) else {
                throw .invalidSettings(
                    key: "averages", given: "the name \"\(member.name)\"",
                    allowed: ResourceName.allowed)
            }
            var members = try SettingsMembers(member.value, path: "averages.\(member.name).")
            averages.append(try AverageSettings(name: member.name, &members))
        }
        return averages.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The settings as JSON that creates an equal session.
    public func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("averages")
        writer.beginObject()
        for average in averages {
            writer.key(average.name)
            average.write(to: &writer)
        }
        writer.endObject()
        writer.member("accumulator", accumulator.rawValue)
        writer.member("non_finite", nonFinite.rawValue)
        writer.member("durability", durability.rawValue)
        writer.endObject()
    }
}
