/// A frame as a client writes or reads it, by hand (RFC 9113 section 4.1).
struct Frame: Equatable, CustomStringConvertible {
    enum Kind: UInt8 {
        case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate
        case continuation
    }

    static let endStream: UInt8 = 1
    static let ack: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let padded: UInt8 = 8

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    var kind: UInt8
    var flags: UInt8 = 0
    var stream: Int = 0
    var payload: [UInt8] = []

    init(_ kind: Kind, flags: UInt8 = 0, stream: Int = 0, _ payload: [UInt8] = []) {
        (self.kind, self.flags, self.stream, self.payload) = (kind.rawValue, flags, stream, payload)
    }

    init?(taking bytes: inout ArraySlice<UInt8>) {
        guard bytes.count >= 9 else { return nil }
        let header = Array(bytes.prefix(9))
        let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
        guard bytes.count >= 9 + length else { return nil }
        kind = header[3]
        flags = header[4]
        stream = header[5...].reduce(0) { $0 << 8 | Int($1) }
        payload = Array(bytes.dropFirst(9).prefix(length))
        bytes = bytes.dropFirst(9 + length)
    }

    var bytes: [UInt8] {
        Self.number(payload.count, 3) + [kind, flags] + Self.number(stream, 4) + payload
    }

    func `is`(_ kind: Kind) -> Bool { self.kind == kind.rawValue }

    var description: String {
        let name = Kind(rawValue: kind).map { "\($0)" } ?? "\(kind)"
        return "\(name) flags \(flags) stream \(stream) \(payload.count) bytes"
    }

    // MARK: Payloads

    static func number(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func settings(_ values: [(id: Int, value: Int)] = []) -> Frame {
        Frame(.settings, values.flatMap { number($0.id, 2) + number($0.value, 4) })
    }

    static func windowUpdate(_ stream: Int, _ increment: Int) -> Frame {
        Frame(.windowUpdate, stream: stream, number(increment, 4))
    }

    static func reset(_ stream: Int, code: Int = 8) -> Frame {
        Frame(.reset, stream: stream, number(code, 4))
    }

    static func data(_ stream: Int, _ payload: [UInt8], end: Bool = false) -> Frame {
        Frame(.data, flags: end ? endStream : 0, stream: stream, payload)
    }

    static func headers(_ stream: Int, _ fields: [(String, String)], end: Bool = true) -> Frame {
        Frame(
            .headers, flags: endHeaders | (end ? endStream : 0), stream: stream,
            HPACK.block(fields))
    }

    /// The four bytes at `offset` of the payload.
    func number(at offset: Int) -> Int {
        payload[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}

/// Header compression without compression (RFC 7541 section 6.2.2).
enum HPACK {
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + text($0.0) + text($0.1) }
    }

    static func text(_ text: String) -> [UInt8] {
        integer(text.utf8.count, prefix: 7) + Array(text.utf8)
    }

    /// RFC 7541 section 5.1.
    static func integer(_ value: Int, prefix: Int, first: UInt8 = 0) -> [UInt8] {
        let most = 1 << prefix - 1
        guard value >= most else { return [first | UInt8(value)] }
        var bytes = [first | UInt8(most)]
        var rest = value - most
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
