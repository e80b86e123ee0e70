import StrictJSON

/// Why a saved record or change cannot be read.
struct RecordError: Error {
    var detail: String
}

/// A JSON object of a saved record, read member by member.
struct RecordObject {
    private let object: JSONObject

    init(_ json: JSONValue) throws(RecordError) {
        guard case .object(let object) = json else {
            throw RecordError(detail: "\(json.kind) stands where an object belongs")
        }
        self.object = object
    }

    func value(_ key: String) throws(RecordError) -> JSONValue {
        guard let value = object[key] else { throw RecordError(detail: "\(key) is missing") }
        return value
    }

    func int(_ key: String) throws(RecordError) -> Int { try RecordObject.int(try value(key)) }

    func string(_ key: String) throws(RecordError) -> String {
        try RecordObject.string(try value(key))
    }

    func array(_ key: String) throws(RecordError) -> [JSONValue] {
        guard case .array(let array) = try value(key) else {
            throw RecordError(detail: "\(key) is not an array")
        }
        return array
    }

    /// Nil when the member is missing or null.
    func optional<Value>(
        _ key: String, _ read: (JSONValue) throws(RecordError) -> Value
    ) throws(RecordError) -> Value? {
        guard let json = object[key], json != .null else { return nil }
        return try read(json)
    }

    func optionalInt(_ key: String) throws(RecordError) -> Int? {
        try optional(key, RecordObject.int)
    }

    func optionalDouble(_ key: String) throws(RecordError) -> Double? {
        try optional(key, RecordObject.double)
    }

    static func int(_ json: JSONValue) throws(RecordError) -> Int {
        guard case .number(let number) = json, let int = number.int else {
            throw RecordError(detail: "\(json.kind) stands where an integer belongs")
        }
        return int
    }

    static func double(_ json: JSONValue) throws(RecordError) -> Double {
        guard case .number(let number) = json, number.double.isFinite else {
            throw RecordError(detail: "\(json.kind) stands where a number belongs")
        }
        return number.double
    }

    static func string(_ json: JSONValue) throws(RecordError) -> String {
        guard case .string(let string) = json else {
            throw RecordError(detail: "\(json.kind) stands where a string belongs")
        }
        return string
    }
}

extension JSONWriter {
    mutating func array<Elements: Sequence>(
        _ elements: Elements, _ write: (Elements.Element, inout JSONWriter) -> Void
    ) {
        beginArray()
        for element in elements { write(element, &self) }
        endArray()
    }

    mutating func optional<Value>(_ value: Value?, _ write: (Value, inout JSONWriter) -> Void) {
        if let value { write(value, &self) } else { null() }
    }
}
