import StrictJSON

/// Takes the members of a settings object one by one, so that what is left over is an unknown key.
struct SettingsMembers {
    /// Prefix of the keys in error messages, empty or ending with a dot.
    let path: String
    private var left: [(name: String, value: JSONValue)]

    init(_ json: JSONValue, path: String) throws(SessionError) {
        guard case .object(let object) = json else {
            throw .invalidSettings(
                key: path.isEmpty ? "the body" : String(path.dropLast()),
                given: json.settingsDescription, allowed: "a JSON object")
        }
        self.path = path
        left = object.members
    }

    mutating func take(_ key: String) -> JSONValue? {
        guard let index = left.firstIndex(where: { $0.name == key }) else { return nil }
        return left.remove(at: index).value
    }

    /// - Throws: `invalidSettings` when a member is left.
    func finish(allowed: [String]) throws(SessionError) {
        if let unknown = left.first {
            throw .invalidSettings(
                key: path + unknown.name, given: "an unknown key",
                allowed: allowed.joined(separator: ", "))
        }
    }

    func invalid(_ key: String, _ given: JSONValue?, _ allowed: String) -> SessionError {
        .invalidSettings(
            key: path + key, given: given?.settingsDescription ?? "nothing", allowed: allowed)
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default value: Choice
    ) throws(SessionError) -> Choice where Choice.RawValue == String {
        guard let json = take(key) else { return value }
        if case .string(let text) = json, let choice = Choice(rawValue: text) { return choice }
        throw invalid(
            key, json, Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "))
    }

    mutating func double(
        _ key: String, default value: Double, allowed: String, where isAllowed: (Double) -> Bool
    ) throws(SessionError) -> Double {
        guard let json = take(key) else { return value }
        if case .number(let number) = json, number.double.isFinite, isAllowed(number.double) {
            return number.double
        }
        throw invalid(key, json, allowed)
    }

    mutating func integer(
        _ key: String, default value: Int?, allowed: String, where isAllowed: (Int) -> Bool
    ) throws(SessionError) -> Int {
        guard let json = take(key) else {
            if let value { return value }
            throw invalid(key, nil, allowed)
        }
        if case .number(let number) = json, let integer = number.wholeNumber, isAllowed(integer) {
            return integer
        }
        throw invalid(key, json, allowed)
    }

    /// Any integer; one beyond `Int` counts as the nearest that fits.
    mutating func anyInteger(_ key: String, default value: Int) throws(SessionError) -> Int {
        guard let json = take(key) else { return value }
        if case .number(let number) = json,
            let integer = number.wholeNumber ?? number.clampedInt
        {
            return integer
        }
        throw invalid(key, json, "an integer")
    }

    mutating func bool(_ key: String, default value: Bool) throws(SessionError) -> Bool {
        guard let json = take(key) else { return value }
        if case .bool(let bool) = json { return bool }
        throw invalid(key, json, "true or false")
    }
}

extension JSONValue {
    /// What was given, short enough for an error message.
    var settingsDescription: String {
        switch self {
        case .null: "null"
        case .bool(let value): String(value)
        case .number(let number): String(number.literal.prefix(64))
        case .string(let text): "\"\(text.prefix(64))\""
        case .array: "an array"
        case .object: "an object"
        }
    }
}
