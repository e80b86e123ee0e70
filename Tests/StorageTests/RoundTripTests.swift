import Testing

@testable import Storage

@Suite struct RoundTripTests {
    @Test func `everything comes back`() throws {
        let directory = try TemporaryDirectory()
        let journal = try Journal.create(at: directory("j"), first: [1, 2])
        try journal.append([3])
        try journal.append([])
        #expect(try Journal.open(at: directory("j")).entries == [[1, 2], [3], []])
        try RecordFile.write([9, 8], to: directory("r"), durable: true)
        #expect(try RecordFile.read(directory("r")) == [9, 8])
        let bytes = noise(3_000_001)
        let sums = try bytes.withUnsafeBytes { try CheckpointFile.write($0, to: directory("c")) }
        try CheckpointFile.verify(directory("c"), byteCount: bytes.count, checksums: sums)
        #expect(try contents(directory("c")) == bytes)
        let lock = try DirectoryLock(directory: directory.path)
        withExtendedLifetime(lock) {}
        let id = try Directories.identity(of: directory.path)
        #expect(try Directories.identity(of: directory.path) == id)
    }
}
