import COpenSSL
import SecretFiles

/// A private key from a PEM file.
final class TLSKey {
    let pointer: OpaquePointer

    /// Some eighty times what RSA's largest keys need: a chain may be in the same file.
    private static let maximumByteCount = 1024 * 1024

    /// The file must not be open to other users.
    init(path: String) throws(TLSError) {
        let file = SecretFile(
            path: path, rule: .privateKey, maximumByteCount: Self.maximumByteCount)
        var text: [UInt8]
        do throws(SecretFileError) {
            text = try file.read()
        } catch {
            throw .unreadableKey(error)
        }
        let key = text.withUnsafeMutableBytes { text in
            defer { OPENSSL_cleanse(text.baseAddress, text.count) }
            guard let bio = BIO_new_mem_buf(text.baseAddress, Int32(text.count)) else {
                preconditionFailure("no memory for a key")
            }
            defer { BIO_free(bio) }
            // Without an answer of ours, OpenSSL would ask the terminal for a password.
            return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key else { throw .unusableKey(path: path, reason: OpenSSLErrors.take()) }
        pointer = key
    }

    deinit {
        EVP_PKEY_free(pointer)
    }
}
