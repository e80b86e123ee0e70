/// A JSON document, or a part of one (RFC 8259 section 3).
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// What the value is, in words for an error message: `a string`, `an object`, `null`.
    public var kind: String {
        switch self {
        case .null: JSONKind.null.rawValue
        case .bool: JSONKind.bool.rawValue
        case .number: JSONKind.number.rawValue
        case .string: JSONKind.string.rawValue
        case .array: JSONKind.array.rawValue
        case .object: JSONKind.object.rawValue
        }
    }

    /// The object, or nil when the value is something else.
    public var objectValue: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }
}

/// The kinds of JSON values; raw values are the words for error messages.
public enum JSONKind: String, Sendable {
    case null = "null"
    case bool = "a boolean"
    case number = "a number"
    case string = "a string"
    case array = "an array"
    case object = "an object"
}

/// A JSON number as it was written, so that nothing is lost before its reader says what it wants.
///
/// Two numbers are equal when they are written alike: `1` and `1.0` differ.
public struct JSONNumber: Sendable, Equatable {
    /// The number's text, as RFC 8259 section 6 spells it; or `NaN`, `Infinity`, `-Infinity` when
    /// the reader was told to let them pass.
    public let literal: String

    init(literal: String) {
        self.literal = literal
    }

    /// The number, when it is written without a fraction and an exponent and fits.
    public var int: Int? { Int(literal) }

    /// The number, when it is whole and fits, however it is written: 1, 1.0 and 10e-1 are equal.
    ///
    /// Beyond 2^53 a double no longer tells whole numbers apart, so there only digits count.
    public var wholeNumber: Int? {
        if let int { return int }
        return double.magnitude <= 0x1p53 ? Int(exactly: double) : nil
    }

    /// The number, when it is written as digits with at most a sign; the nearest `Int` when it does
    /// not fit.
    public var clampedInt: Int? {
        if let int { return int }
        let digits =
            literal.utf8.first == UInt8(ascii: "-") ? literal.utf8.dropFirst() : literal.utf8[...]
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.count == literal.utf8.count ? .max : .min
    }

    /// The nearest double; ±infinity when the number is too large for one, NaN for `NaN`.
    public var double: Double {
        guard let value = Double(literal) else {
            preconditionFailure("a number's literal was checked when it was read")
        }
        return value
    }
}

/// The members of a JSON object in the order of the document. Names are unique.
public struct JSONObject: Sendable, Equatable {
    /// In the order of the document.
    public var members: [(name: String, value: JSONValue)]

    /// - Parameter members: Their names must be unique.
    public init(members: [(name: String, value: JSONValue)] = []) {
        self.members = members
    }

    /// The value of the member of that name. O(members): objects here have a few dozen at most.
    public subscript(name: String) -> JSONValue? {
        members.first { $0.name == name }?.value
    }

    /// Same members with equal values, in whatever order: RFC 8259 objects are unordered.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members.count == right.members.count
            && left.members.allSatisfy { right[$0.name] == $0.value }
    }
}
