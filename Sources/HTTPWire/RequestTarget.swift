/// Takes a request's path apart (RFC 3986 section 3.3).
public enum RequestTarget {
    /// The first `count` segments of `raw`, percent-decoded, and what follows them as sent.
    ///
    /// The path is split at its raw slashes first, so `%2F` stays inside its segment. `/` has no
    /// segment; `/a/` has two, the second empty. Dot segments are not resolved: they are
    /// segments like any other.
    ///
    /// For names that may hold slashes, raw or as `%2F`: `rest` is everything after the slash that
    /// follows the last leading segment, to be decoded whole with `decode`; nil when there is
    /// no such slash.
    ///
    /// - Returns: nil when `raw` does not begin with `/`, an escape is not `%` and two
    ///   hexadecimal digits, or a decoded segment has a NUL or is not UTF-8; an error in the rest
    ///   is not looked for.
    public static func decodePath(
        _ raw: String, leading count: Int
    ) -> (segments: [String], rest: String?)? {
        var raw = raw
        return raw.withUTF8 { bytes in
            guard bytes.first == Byte.slash else { return nil }
            var segments: [String] = []
            var start = 1
            guard start < bytes.count else { return (segments, nil) }
            segments.reserveCapacity(min(count, 8))
            while segments.count < count {
                let end = bytes[start...].firstIndex(of: Byte.slash) ?? bytes.count
                guard let segment = decode(bytes[start..<end]) else { return nil }
                segments.append(segment)
                guard end < bytes.count else { return (segments, nil) }
                start = end + 1
            }
            return (segments, String(decoding: bytes[start...], as: UTF8.self))
        }
    }

    /// `raw` percent-decoded; nil when an escape is malformed or what comes out has a NUL or is
    /// not UTF-8.
    public static func decode(_ raw: String) -> String? {
        var raw = raw
        return raw.withUTF8 { decode($0[...]) }
    }

    /// The same for a part of a text, cut at ASCII characters.
    static func decode(_ raw: Slice<UnsafeBufferPointer<UInt8>>) -> String? {
        // Nearly every name is sent as it is.
        if !raw.contains(where: { $0 == Byte.percent || $0 == 0 }) {
            return String(decoding: UnsafeBufferPointer(rebasing: raw), as: UTF8.self)
        }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(raw.count)
        var bytes = raw.makeIterator()
        while var byte = bytes.next() {
            if byte == Byte.percent {
                guard let first = bytes.next(), let high = Byte.hexadecimalValue(first),
                    let second = bytes.next(), let low = Byte.hexadecimalValue(second)
                else { return nil }
                byte = high << 4 | low
            }
            guard byte != 0 else { return nil }
            decoded.append(byte)
        }
        return String(validating: decoded, as: UTF8.self)
    }
}
