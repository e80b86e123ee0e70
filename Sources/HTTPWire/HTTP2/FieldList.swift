import CNGHTTP2

/// An answer's header list, as nghttp2 takes it: text in one place, and where each name and value
/// lies in it.
struct FieldList {
    private var bytes: [UInt8] = []
    private var entries: [(name: Range<Int>, value: Range<Int>)] = []

    /// The head of `response`; `length` nil: not told.
    ///
    /// A name that is no token, or a value with a control character, is our own bug: a client's
    /// text must not get into a head unchecked.
    init(_ response: Response, length: Int?, date: [UInt8]) {
        bytes.reserveCapacity(512)
        entries.reserveCapacity(response.fields.count + 3)
        add(":status") { $0.appendDecimal(response.status, digits: 3) }
        add("date") { $0.append(contentsOf: date) }
        for field in response.fields { add(field.name, field.value) }
        if let length { add("content-length") { $0.appendDecimal(length) } }
    }

    /// An interim answer's head.
    init(status: Int) {
        add(":status") { $0.appendDecimal(status, digits: 3) }
    }

    /// Calls `body` with the list, which is valid during the call.
    func withFields(_ body: (UnsafeBufferPointer<nghttp2_nv>) -> Void) {
        bytes.withUnsafeBufferPointer { text in
            guard let start = text.baseAddress else { return }
            // nghttp2 only reads what the list names.
            let base = UnsafeMutablePointer(mutating: start)
            withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: entries.count) { fields in
                for (index, entry) in entries.enumerated() {
                    fields.initializeElement(
                        at: index,
                        to: nghttp2_nv(
                            name: base + entry.name.lowerBound,
                            value: base + entry.value.lowerBound, namelen: entry.name.count,
                            valuelen: entry.value.count,
                            flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)))
                }
                body(UnsafeBufferPointer(fields))
            }
        }
    }

    private mutating func add(_ name: StaticString, _ value: (inout [UInt8]) -> Void) {
        let start = bytes.count
        bytes.append(name)
        let middle = bytes.count
        value(&bytes)
        entries.append((start..<middle, middle..<bytes.count))
    }

    /// RFC 9113 section 8.2.1: names are sent in lower case.
    private mutating func add(_ name: String, _ value: String) {
        let start = bytes.count
        for byte in name.utf8 {
            precondition(Byte.isToken(byte), "a field name that is no token: \(name)")
            bytes.append(Byte.lowercased(byte))
        }
        let middle = bytes.count
        precondition(middle > start, "a field without a name")
        bytes.append(contentsOf: value.utf8)
        for index in middle..<bytes.count {
            precondition(Byte.isFieldContent(bytes[index]), "a control character in field \(name)")
        }
        entries.append((start..<middle, middle..<bytes.count))
    }
}
