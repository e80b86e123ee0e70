import Glibc
import Storage
import TestSupport
import Testing

@Suite struct CheckpointFileTests {
    private static let block = CheckpointFile.blockBytes

    /// A disk's file system, which takes direct writes, and one in memory.
    private static let fileSystems = ["/tmp", "/dev/shm"]

    private static let sizes = [
        0, 1, 4095, 4096, 4097, block - 1, block, block + 1, 3 * block + 4096, 8 * block - 1,
        8 * block, 8 * block + 4097,
    ]

    private static let sample = noise(9 * block)
    private var bytes: [UInt8] { Self.sample }

    /// Writes the first `count` bytes, from memory that begins `offset` bytes behind a page.
    private func write(_ count: Int, offset: Int, to path: String) throws -> [UInt32] {
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: count + offset + 1, alignment: 4096)
        defer { memory.deallocate() }
        let source = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + count])
        source.copyBytes(from: bytes[..<count])
        return try CheckpointFile.write(UnsafeRawBufferPointer(source), to: path)
    }

    private func read(_ path: String, _ count: Int, _ checksums: [UInt32]) throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        try result.withUnsafeMutableBytes {
            try CheckpointFile.read(path, byteCount: count, checksums: checksums, into: $0)
        }
        return result
    }

    private func blockChecksums(_ count: Int) -> [UInt32] {
        stride(from: 0, to: count, by: Self.block).map { start in
            bytes[start..<min(start + Self.block, count)].withUnsafeBytes { Checksum.crc32c($0) }
        }
    }

    @Test(arguments: fileSystems, [0, 64])
    func `every size goes in and comes back, over larger and smaller ones`(
        fileSystem: String, offset: Int
    ) throws {
        let directory = try TemporaryDirectory(in: fileSystem)
        let reused = directory("reused")
        for size in Self.sizes + Self.sizes.reversed() {
            let checksums = try write(size, offset: offset, to: reused)
            #expect(checksums == blockChecksums(size))
            #expect(try contents(reused) == Array(bytes[..<size]))
            #expect(try read(reused, size, checksums) == Array(bytes[..<size]))
            try CheckpointFile.verify(reused, byteCount: size, checksums: checksums)
        }
        #expect(try permissions(reused) == 0o600)
        #expect(try Directories.entries(of: directory.path) == ["reused"])
    }

    @Test(arguments: fileSystems)
    func `an open file is copied, and one that is too short is said to be`(
        fileSystem: String
    ) throws {
        let directory = try TemporaryDirectory(in: fileSystem)
        try put(bytes, at: directory("source"))
        let source = open(directory("source"), O_RDONLY | O_CLOEXEC)
        defer { close(source) }
        let path = directory("copy")
        let count = 8 * Self.block + 100
        let checksums = try CheckpointFile.write(from: source, byteCount: count, to: path)
        #expect(checksums == blockChecksums(count))
        #expect(try contents(path) == Array(bytes[..<count]))
        let new = directory("new")
        expectDamage(new, "has \(bytes.count) bytes") {
            _ = try CheckpointFile.write(from: source, byteCount: bytes.count + 1, to: new)
        }
        #expect(try Directories.entries(of: directory.path) == ["copy", "source"])
    }

    @Test func `each flipped byte of a small file is damage`() throws {
        let directory = try TemporaryDirectory()
        let path = directory("checkpoint")
        let checksums = try write(300, offset: 0, to: path)
        for index in 0..<300 {
            var changed = Array(bytes[..<300])
            changed[index] ^= 0x10
            try put(changed, at: path)
            expectDamage(path, "block 0") { _ = try read(path, 300, checksums) }
            expectDamage(path, "block 0") {
                try CheckpointFile.verify(path, byteCount: 300, checksums: checksums)
            }
        }
    }

    @Test func `the damaged block is named, at its first and last byte`() throws {
        let directory = try TemporaryDirectory()
        let path = directory("checkpoint")
        let count = 9 * Self.block - 5
        let checksums = try write(count, offset: 0, to: path)
        let file = open(path, O_RDWR | O_CLOEXEC)
        defer { close(file) }
        for block in 0..<9 {
            for index in [block * Self.block, min((block + 1) * Self.block, count) - 1] {
                try #require(pwrite(file, [~bytes[index]], 1, index) == 1)
                expectDamage(path, "block \(block), at byte \(block * Self.block),") {
                    try CheckpointFile.verify(path, byteCount: count, checksums: checksums)
                }
                try #require(pwrite(file, [bytes[index]], 1, index) == 1)
            }
        }
        try CheckpointFile.verify(path, byteCount: count, checksums: checksums)
    }

    @Test func `another length than the record's is damage`() throws {
        let directory = try TemporaryDirectory()
        let path = directory("checkpoint")
        let checksums = try write(5000, offset: 0, to: path)
        for count in [4999, 5001] {
            expectDamage(path, "instead of \(count)") { _ = try read(path, count, checksums) }
        }
        expectDamage(path, "2 checksums") { _ = try read(path, 5000, checksums + [0]) }
    }

    @Test func `a file is preallocated, and a missing one is named`() throws {
        let directory = try TemporaryDirectory()
        let path = directory("checkpoint")
        #expect(throws: StorageError.missing(path: path)) {
            try CheckpointFile.verify(path, byteCount: 1, checksums: [0])
        }
        _ = try write(2 * Self.block, offset: 0, to: path)
        var before = stat()
        try #require(stat(path, &before) == 0)
        _ = try write(2 * Self.block, offset: 0, to: path)
        var after = stat()
        try #require(stat(path, &after) == 0)
        #expect(before.st_ino == after.st_ino)
        #expect(before.st_blocks == after.st_blocks)
    }

    @Test func `a planted link is not followed`() throws {
        let directory = try TemporaryDirectory()
        let path = directory("checkpoint")
        try put([9], at: directory("target"))
        try #require(symlink(directory("target"), path) == 0)
        #expect(throws: StorageError.failed(path: path, operation: "open", code: ELOOP)) {
            _ = try write(1, offset: 0, to: path)
        }
        #expect(try contents(directory("target")) == [9])
    }
}
