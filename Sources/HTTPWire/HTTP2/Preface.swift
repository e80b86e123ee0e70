/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
enum Preface {
    static let bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let count = 24

    /// How many of `bytes` continue a preface of which `seen` bytes have come.
    static func match(_ bytes: UnsafeRawBufferPointer, seen: Int) -> Int {
        var matched = 0
        while matched < bytes.count, seen + matched < count,
            bytes[matched] == Self.bytes[seen + matched]
        {
            matched += 1
        }
        return matched
    }
}
