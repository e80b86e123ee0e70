import CChecksum
import Storage
import Testing

/// Checked against the values of RFC 3720 appendix B.4, which lists bytes from the lowest up.
@Suite struct ChecksumTests {
    static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
        (Array(repeating: 0, count: 32), 0x8A91_36AA),
        (Array(repeating: 0xFF, count: 32), 0x62A8_AB43),
        (Array(0..<32), 0x46DD_794E),
        ((0..<32).reversed(), 0x113F_DB5C),
        (
            [
                0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
                0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
            ], 0xD996_3A56
        ),
        // The check value of the CRC catalogues.
        (Array("123456789".utf8), 0xE306_9283),
        ([], 0),
    ]

    @Test(arguments: vectors)
    func `the RFC's examples have their checksums`(bytes: [UInt8], checksum: UInt32) {
        #expect(bytes.withUnsafeBytes { Checksum.crc32c($0) } == checksum)
        #expect(checksum_crc32c_portable(0, bytes, bytes.count) == checksum)
    }

    @Test func `a checksum of parts is the checksum of the whole`() {
        let bytes = noise(40_000)
        let whole = bytes.withUnsafeBytes { Checksum.crc32c($0) }
        for cut in [0, 1, 7, 4096, 12_287, 12_288, 12_289, 39_999, 40_000] {
            let first = bytes[..<cut].withUnsafeBytes { Checksum.crc32c($0) }
            #expect(bytes[cut...].withUnsafeBytes { Checksum.crc32c($0, seed: first) } == whole)
        }
    }

    /// The fast path takes 12,288 bytes at a time, then eight, then one.
    @Test func `the instruction and the table agree for every length and alignment`() {
        let bytes = noise(3 * 12_288 + 100)
        for count in Array(0..<64) + Array(12_270..<12_310) + [24_575, 24_576, 36_864, 36_900] {
            for offset in 0..<9 {
                bytes[offset..<offset + count].withUnsafeBytes { part in
                    #expect(
                        checksum_crc32c(7, part.baseAddress, part.count)
                            == checksum_crc32c_portable(7, part.baseAddress, part.count))
                }
            }
        }
    }
}
