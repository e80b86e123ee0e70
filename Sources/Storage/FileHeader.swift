/// The first 16 bytes of every file here, of this form in all versions to come: eight letters that
/// name the kind, the version, and the CRC-32C of those twelve bytes. So a damaged version is told
/// from a newer one. Numbers are little-endian.
enum FileHeader {
    static let byteCount = 16

    static func bytes(kind: StaticString, version: UInt32) -> [UInt8] {
        precondition(kind.utf8CodeUnitCount == 8, "a file's kind is eight letters")
        var bytes = kind.withUTF8Buffer(Array.init)
        bytes.append(littleEndian: version)
        bytes.append(littleEndian: Checksum.crc32c(bytes))
        return bytes
    }

    /// Makes sure that `bytes` begin as a file of this kind and version.
    static func check(
        _ bytes: [UInt8], kind: StaticString, version: UInt32, path: String
    ) throws(StorageError) {
        guard bytes.count >= byteCount else {
            throw .damaged(path: path, detail: "it has \(bytes.count) bytes, fewer than its header")
        }
        guard bytes.number(at: 12) == Checksum.crc32c(bytes[..<12]) else {
            throw .damaged(path: path, detail: "its header has another checksum")
        }
        guard bytes[..<8].elementsEqual(kind.withUTF8Buffer(Array.init)) else {
            throw .damaged(path: path, detail: "it is not a file of this kind")
        }
        let found: UInt32 = bytes.number(at: 8)
        guard found <= version else {
            throw .newerVersion(path: path, found: Int(found), known: Int(version))
        }
        guard found == version else {
            throw .damaged(path: path, detail: "no release wrote version \(found)")
        }
    }
}

extension [UInt8] {
    mutating func append(littleEndian number: some FixedWidthInteger) {
        var rest = number
        for _ in 0..<number.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// The little-endian number that begins at `offset`.
    func number<Number: FixedWidthInteger>(at offset: Int) -> Number {
        self[offset..<offset + Number.bitWidth / 8].reversed().reduce(0) { value, byte in
            value << 8 | Number(byte)
        }
    }
}
