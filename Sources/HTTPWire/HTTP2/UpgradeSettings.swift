/// The settings that a client sends with the request that is to be answered over HTTP/2.
enum UpgradeSettings {
    /// The payload of a SETTINGS frame; nil unless `fields` ask for an upgrade to `h2c` in form.
    static func payload(of fields: HeaderFields) -> [UInt8]? {
        guard names(fields, "upgrade", "h2c"), names(fields, "connection", "upgrade"),
            names(fields, "connection", "http2-settings")
        else { return nil }
        let settings = fields.all("http2-settings")
        guard settings.count == 1, let payload = decode(settings[0]), isValid(payload) else {
            return nil
        }
        return payload
    }

    /// The values that RFC 9113 section 6.5.2 allows.
    private static func isValid(_ payload: [UInt8]) -> Bool {
        guard payload.count % 6 == 0 else { return false }
        return stride(from: 0, to: payload.count, by: 6).allSatisfy { start in
            let entry = payload[start..<start + 6].reduce(0) { $0 << 8 | Int($1) }
            let value = entry & 0xFFFF_FFFF
            switch entry >> 32 {
            case 2: return value <= 1
            case 4: return value <= Int32.max
            case 5: return 1 << 14..<1 << 24 ~= value
            default: return true
            }
        }
    }

    private static func names(
        _ fields: HeaderFields, _ field: StaticString, _ option: String
    ) -> Bool {
        guard let list = fields.list(field) else { return false }
        var scanner = FieldScanner(list)
        repeat {
            scanner.skipWhitespace()
            let token = scanner.token()
            scanner.skipWhitespace()
            let isWhole = scanner.isAtEnd || scanner.take(Byte.comma)
            guard isWhole else { return false }
            if token == option { return true }
        } while !scanner.isAtEnd
        return false
    }

    /// `token68` of base64url without padding (RFC 7540 section 3.2.1).
    static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for character in text.utf8 {
            guard let value = value(character) else { return nil }
            bits = bits << 6 | value
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 0x41
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 0x61 + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) - 0x30 + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
