import Glibc

/// A small file that is replaced as a whole: a reader, a crash and a power cut see the old bytes
/// or the new ones. From any thread; one writer of a path at a time.
///
/// Form: `FileHeader`, the payload's length (8 bytes), the CRC-32C of length and payload (4 bytes),
/// the payload.
public enum RecordFile {
    private static let kind: StaticString = "PlyRecrd"
    private static let version: UInt32 = 1
    private static let payloadOffset = FileHeader.byteCount + 12

    /// Replaces the file. With `durable`, the bytes and the name outlast a power cut when this
    /// returns; without, they outlast the process.
    ///
    /// After `.syncFailed` either the old or the new bytes may be there; after any other error, the
    /// old ones are. `path` with `.new` behind it is used on the way, and removed after an error.
    public static func write(
        _ payload: [UInt8], to path: String, durable: Bool
    ) throws(StorageError) {
        var length: [UInt8] = []
        length.append(littleEndian: UInt64(payload.count))
        var bytes = FileHeader.bytes(kind: kind, version: version)
        bytes.reserveCapacity(payloadOffset + payload.count)
        bytes += length
        bytes.append(littleEndian: Checksum.crc32c(payload, seed: Checksum.crc32c(length)))
        bytes += payload
        _ = try replace(path, with: bytes, durable: durable)
    }

    /// The payload last written. Throws `.missing`, `.newerVersion`, or `.damaged` unless each
    /// byte of the file is as it was written.
    public static func read(_ path: String) throws(StorageError) -> [UInt8] {
        let file = try StorageFile.open(path, O_RDONLY)
        file.forgetCache()
        let bytes = try file.readAll()
        try FileHeader.check(bytes, kind: kind, version: version, path: path)
        guard bytes.count >= payloadOffset else {
            throw .damaged(path: path, detail: "it ends within its header")
        }
        let length: UInt64 = bytes.number(at: FileHeader.byteCount)
        guard length == UInt64(bytes.count - payloadOffset) else {
            throw .damaged(
                path: path,
                detail: "\(bytes.count - payloadOffset) bytes follow where \(length) should")
        }
        let lengthBytes = bytes[FileHeader.byteCount..<FileHeader.byteCount + 8]
        let payload = bytes[payloadOffset...]
        let checksum = Checksum.crc32c(payload, seed: Checksum.crc32c(lengthBytes))
        guard bytes.number(at: payloadOffset - 4) == checksum else {
            throw .damaged(path: path, detail: "its contents have another checksum")
        }
        return Array(payload)
    }

    /// Puts a file of these bytes in place of the one at `path`, and returns it, open.
    static func replace(
        _ path: String, with bytes: [UInt8], durable: Bool
    ) throws(StorageError) -> StorageFile {
        let new = path + ".new"
        let file = try StorageFile.createAnew(new)
        do throws(StorageError) {
            try file.write(bytes, at: 0)
            if durable { try file.sync(metadata: true) }
            try Directories.rename(new, to: path)
            file.path = path
        } catch {
            // The first error is the one to report; what stays behind is removed the next time.
            try? Directories.removeFile(new)
            throw error
        }
        if durable { try Directories.sync(Directories.parent(of: path)) }
        return file
    }
}
