import COpenSSL

/// The SHA-256 of a token: what the service keeps of it, and all that it compares.
public struct TokenDigest: Sendable, Hashable {
    private var bytes = SIMD32<UInt8>()

    /// Found once, because a search for it costs more than the digest of a token.
    ///
    /// `nonisolated(unsafe)`: libcrypto never changes an algorithm, and counts those who use it
    /// atomically.
    nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

    /// The digest of a token's characters.
    public init(of token: [UInt8]) {
        let isDone = withUnsafeMutableBytes(of: &bytes) { digest in
            EVP_Digest(token, token.count, digest.baseAddress, nil, TokenDigest.algorithm, nil)
        }
        precondition(isDone == 1, "libcrypto has no SHA-256")
    }

    /// Reads 64 hexadecimal digits; nil for anything else.
    init?(hexadecimal text: String) {
        let digits = text.utf8.map(TokenDigest.value)
        guard digits.count == 2 * bytes.scalarCount else { return nil }
        for index in 0..<bytes.scalarCount {
            guard let high = digits[2 * index], let low = digits[2 * index + 1] else { return nil }
            bytes[index] = high << 4 | low
        }
    }

    /// 64 lower-case hexadecimal digits.
    public var hexadecimal: String {
        (0..<bytes.scalarCount).map { index in
            let digits = String(bytes[index], radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// Whether both are equal, found out in a time that says nothing about where they differ.
    func matches(_ other: TokenDigest) -> Bool {
        withUnsafeBytes(of: bytes) { one in
            withUnsafeBytes(of: other.bytes) { another in
                CRYPTO_memcmp(one.baseAddress, another.baseAddress, one.count) == 0
            }
        }
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
