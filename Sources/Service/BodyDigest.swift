import COpenSSL
import Sessions

/// The body's part of a request's fingerprint: SHA-256 up to a size, the length beyond.
///
/// Used by one thread at a time.
final class BodyDigest {
    private let limit: Int
    private let context: OpaquePointer?
    private var byteCount = 0

    /// - Parameter limit: `Limits.fingerprintBytes`.
    init(limit: Int) {
        self.limit = limit
        context = EVP_MD_CTX_new()
        let isReady = EVP_DigestInit_ex(context, EVP_sha256(), nil)
        precondition(isReady == 1, "libcrypto has no SHA-256")
    }

    deinit { EVP_MD_CTX_free(context) }

    func update(_ bytes: UnsafeRawBufferPointer) {
        byteCount += bytes.count
        if byteCount <= limit { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }
    }

    /// The result; call once.
    func finish() -> RequestFingerprint.Body {
        guard byteCount <= limit else { return .length(byteCount) }
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &digest, &count)
        return .sha256(Array(digest.prefix(Int(count))))
    }

    static func of(_ bytes: [UInt8], limit: Int) -> RequestFingerprint.Body {
        let digest = BodyDigest(limit: limit)
        bytes.withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }
}
