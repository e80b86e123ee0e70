/// How a journal's bytes are laid out, and the number of its next entry.
///
/// `FileHeader`, a random number (8 bytes) and the CRC-32C of that number (4); then entries: the
/// payload's length (4), the entry's number from 0 up (8), the payload's CRC-32C (4), the CRC-32C
/// of the file's random number and those sixteen bytes (4), the payload. The random number makes
/// entries of other files invalid here.
struct JournalForm {
    private static let kind: StaticString = "PlyJourn"
    private static let version: UInt32 = 1
    static let headerByteCount = FileHeader.byteCount + 12
    static let entryHeaderByteCount = 20

    private let nonce: [UInt8]
    private var entryNumber: UInt64 = 0

    init() {
        var nonce: [UInt8] = []
        nonce.append(littleEndian: UInt64.random(in: .min ... .max))
        self.nonce = nonce
    }

    /// Reads a file's header.
    init(header bytes: [UInt8], path: String) throws(StorageError) {
        try FileHeader.check(bytes, kind: Self.kind, version: Self.version, path: path)
        guard bytes.count >= Self.headerByteCount else {
            throw .damaged(path: path, detail: "it ends within its header")
        }
        nonce = Array(bytes[FileHeader.byteCount..<FileHeader.byteCount + 8])
        guard bytes.number(at: FileHeader.byteCount + 8) == Checksum.crc32c(nonce) else {
            throw .damaged(path: path, detail: "its header has another checksum")
        }
    }

    var header: [UInt8] {
        var bytes = FileHeader.bytes(kind: Self.kind, version: Self.version) + nonce
        bytes.append(littleEndian: Checksum.crc32c(nonce))
        return bytes
    }

    /// The bytes of the next entry.
    mutating func entry(_ payload: [UInt8]) -> [UInt8] {
        precondition(payload.count <= UInt32.max, "an entry's length is a number of 32 bits")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.entryHeaderByteCount + payload.count)
        bytes.append(littleEndian: UInt32(payload.count))
        bytes.append(littleEndian: entryNumber)
        bytes.append(littleEndian: Checksum.crc32c(payload))
        bytes.append(littleEndian: headerChecksum(bytes[...]))
        bytes += payload
        entryNumber += 1
        return bytes
    }

    /// Where the payload of the entry that begins at `offset` lies, or nil if the file ends before
    /// that entry does.
    mutating func nextEntry(
        of bytes: [UInt8], at offset: Int, path: String
    ) throws(StorageError) -> Range<Int>? {
        let start = offset + Self.entryHeaderByteCount
        guard start <= bytes.count else { return nil }
        guard bytes.number(at: start - 4) == headerChecksum(bytes[offset..<start - 4]) else {
            throw damage("has a header with another checksum", at: offset, path: path)
        }
        guard bytes.number(at: offset + 4) == entryNumber else {
            throw damage("has another number", at: offset, path: path)
        }
        let length: UInt32 = bytes.number(at: offset)
        guard Int(length) <= bytes.count - start else { return nil }
        let payload = start..<start + Int(length)
        guard bytes.number(at: start - 8) == Checksum.crc32c(bytes[payload]) else {
            throw damage("has another checksum", at: offset, path: path)
        }
        entryNumber += 1
        return payload
    }

    private func headerChecksum(_ header: ArraySlice<UInt8>) -> UInt32 {
        Checksum.crc32c(header, seed: Checksum.crc32c(nonce))
    }

    private func damage(_ what: String, at offset: Int, path: String) -> StorageError {
        .damaged(path: path, detail: "entry \(entryNumber), at byte \(offset), \(what)")
    }
}
