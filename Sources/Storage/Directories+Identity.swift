import Glibc

extension Directories {
    private static let firstWords = "polyak directory, version "
    private static let checksumWords = "crc32c "
    private static let version = 1

    /// The UUID that names the directory, from the file `id` in it, which is made durably the first
    /// time. Throws `.newerVersion` if a later release laid the directory out, with nothing in it
    /// touched, and `.damaged`. Call it with the directory's lock held.
    ///
    /// Form, whose first and last lines stay in all versions to come: a line that ends with the
    /// version, the UUID, and the CRC-32C of the bytes before that line, in eight hex digits.
    public static func identity(of directory: String) throws(StorageError) -> String {
        let path = directory + "/id"
        do {
            return try identity(in: try StorageFile.open(path, O_RDONLY).readAll(), path: path)
        } catch .missing {
            let made = uuid()
            let text = "\(firstWords)\(version)\n\(made)\n"
            let checksum = hexadecimal(Checksum.crc32c(Array(text.utf8)))
            let bytes = Array("\(text)\(checksumWords)\(checksum)\n".utf8)
            _ = try RecordFile.replace(path, with: bytes, durable: true)
            return made
        }
    }

    private static func identity(
        in bytes: [UInt8], path: String
    ) throws(StorageError) -> String {
        let lastLineByteCount = checksumWords.utf8.count + 9
        let covered = bytes.dropLast(lastLineByteCount)
        let lastLine = "\(checksumWords)\(hexadecimal(Checksum.crc32c(covered)))\n"
        guard bytes.suffix(lastLineByteCount).elementsEqual(lastLine.utf8) else {
            throw .damaged(path: path, detail: "its last line is not the checksum of the others")
        }
        let lines = String(decoding: covered, as: UTF8.self).split(separator: "\n")
        guard let first = lines.first, first.hasPrefix(firstWords),
            let found = Int(first.dropFirst(firstWords.count))
        else { throw .damaged(path: path, detail: "its first line holds no version") }
        guard found <= version else {
            throw .newerVersion(path: path, found: found, known: version)
        }
        guard found == version, lines.count == 2 else {
            throw .damaged(path: path, detail: "it holds no UUID")
        }
        return String(lines[1])
    }

    /// A random UUID (RFC 9562 section 5.4).
    private static func uuid() -> String {
        let high = UInt64.random(in: .min ... .max) & ~0xF000 | 0x4000
        let low = UInt64.random(in: .min ... .max) & ~(3 << 62) | 2 << 62
        let digits = hexadecimal(high) + hexadecimal(low)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text += "-" }
            text.append(digit)
        }
        return text
    }

    private static func hexadecimal<Number: FixedWidthInteger>(_ number: Number) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: Number.bitWidth / 4 - digits.count) + digits
    }
}
