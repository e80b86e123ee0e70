/// A weight of content negotiation (RFC 9110 section 12.4.2).
enum QualityValue {
    /// `qvalue` in thousandths: 0 or 1 with at most three decimals; nil for anything else.
    static func thousandths(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, first == Byte.zero || first == Byte.zero + 1 else {
            return nil
        }
        var quality = Int(first - Byte.zero) * 1000
        guard bytes.count > 1 else { return quality }
        guard bytes[1] == Byte.dot, bytes.count <= 5 else { return nil }
        var weight = 100
        for byte in bytes[2...] {
            guard Byte.isDigit(byte) else { return nil }
            quality += Int(byte - Byte.zero) * weight
            weight /= 10
        }
        return quality <= 1000 ? quality : nil
    }
}
