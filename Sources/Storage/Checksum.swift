import CChecksum

/// CRC-32C, the checksum of everything that is read back.
public enum Checksum {
    /// The CRC-32C (RFC 3720 section 12.1) of `bytes`, or, with a seed, of the bytes that the seed
    /// is the checksum of followed by `bytes`. From any thread.
    public static func crc32c(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        checksum_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    static func crc32c(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { crc32c($0, seed: seed) }
    }

    static func crc32c(_ bytes: ArraySlice<UInt8>, seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { crc32c($0, seed: seed) }
    }
}
