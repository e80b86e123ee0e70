import COpenSSL
import Glibc

/// A private key from a PEM file.
final class TLSKey {
    let pointer: OpaquePointer

    /// The file must not be open to other users.
    init(path: String) throws(TLSError) {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw .unusableKey(path: path, reason: describe(errno)) }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0 else {
            throw .unusableKey(path: path, reason: describe(errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unusableKey(path: path, reason: "it is no regular file")
        }
        guard status.st_mode & S_IRWXO == 0 else { throw .openKey(path: path) }
        guard let bio = BIO_new_fd(fd, BIO_NOCLOSE) else {
            preconditionFailure("no memory for a key")
        }
        defer { BIO_free(bio) }
        // Without an answer of ours, OpenSSL would ask the terminal for a password.
        let key = PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
        guard let key else { throw .unusableKey(path: path, reason: OpenSSLErrors.take()) }
        pointer = key
    }

    deinit {
        EVP_PKEY_free(pointer)
    }
}
