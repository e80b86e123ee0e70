/// The ASCII that the grammar of RFC 9110 and RFC 9112 is made of.
enum Byte {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let percent: UInt8 = 0x25
    static let asterisk: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let zero: UInt8 = 0x30
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D
    static let questionMark: UInt8 = 0x3F
    static let openBracket: UInt8 = 0x5B
    static let backslash: UInt8 = 0x5C
    static let closeBracket: UInt8 = 0x5D

    /// `tchar` of RFC 9110 section 5.6.2.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        isMember(byte, 0x03FF_6CFA_0000_0000, 0x57FF_FFFF_C7FF_FFFE)
    }

    /// What a request target's path or query may hold: `pchar`, `/`, `?` of RFC 3986, and
    /// `[`, `]`, `|`, which the URL standard's clients send as they are.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool {
        isMember(byte, 0xAFFF_FFF2_0000_0000, 0x57FF_FFFE_AFFF_FFFF)
    }

    /// What a host's name may hold: `unreserved` and `%` of RFC 3986. The grammar also has
    /// `sub-delims` there, which no name in use has and which only confuse what reads them.
    @inline(__always)
    static func isHostName(_ byte: UInt8) -> Bool {
        isMember(byte, 0x03FF_6020_0000_0000, 0x47FF_FFFE_87FF_FFFE)
    }

    /// A field value's bytes: visible ASCII, space, tab, and `obs-text` (RFC 9110 section 5.5).
    @inline(__always)
    static func isFieldContent(_ byte: UInt8) -> Bool {
        byte >= space && byte != 0x7F || byte == tab
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool {
        byte &- zero <= 9
    }

    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
    }

    /// The value of a hexadecimal digit; nil for any other byte.
    @inline(__always)
    static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte - zero }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }

    /// `digit` (0…15) as an upper-case hexadecimal digit.
    @inline(__always)
    static func hexadecimalDigit(_ digit: UInt8) -> UInt8 {
        digit < 10 ? zero + digit : 0x37 + digit
    }

    @inline(__always)
    private static func isMember(_ byte: UInt8, _ low: UInt64, _ high: UInt64) -> Bool {
        byte < 128 && ((byte < 64 ? low : high) >> UInt64(byte & 63)) & 1 != 0
    }
}
