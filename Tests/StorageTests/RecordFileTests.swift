import Glibc
import Storage
import TestSupport
import Testing

@Suite struct RecordFileTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory("record")
    }

    @Test(arguments: [true, false])
    func `the last payload is read back`(durable: Bool) throws {
        for payload in [[], [1], noise(100_000), [2, 3]] {
            try RecordFile.write(payload, to: path, durable: durable)
            #expect(try RecordFile.read(path) == payload)
        }
        #expect(try permissions(path) == 0o600)
        #expect(try Directories.entries(of: directory.path) == ["record"])
    }

    @Test func `each flipped bit is damage`() throws {
        try RecordFile.write(noise(60), to: path, durable: false)
        let bytes = try contents(path)
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                try put(changed, at: path)
                expectDamage(path) { _ = try RecordFile.read(path) }
            }
        }
    }

    @Test func `a shorter and a longer file are damaged`() throws {
        try RecordFile.write(noise(60), to: path, durable: false)
        let bytes = try contents(path)
        for count in bytes.indices {
            try put(Array(bytes[..<count]), at: path)
            expectDamage(path) { _ = try RecordFile.read(path) }
        }
        try put(bytes + [0], at: path)
        expectDamage(path) { _ = try RecordFile.read(path) }
    }

    @Test func `a file of another kind is refused`() throws {
        _ = try Journal.create(at: path, first: [1])
        expectDamage(path, "not a file of this kind") { _ = try RecordFile.read(path) }
    }

    @Test func `a newer version is refused and left as it is`() throws {
        try RecordFile.write([1], to: path, durable: false)
        let newer = withVersion(7, try contents(path))
        try put(newer, at: path)
        #expect(throws: StorageError.newerVersion(path: path, found: 7, known: 1)) {
            try RecordFile.read(path)
        }
        #expect(try contents(path) == newer)
        try put(withVersion(0, newer), at: path)
        expectDamage(path, "no release wrote") { _ = try RecordFile.read(path) }
    }

    @Test func `a write that fails leaves the old record and nothing else`() throws {
        try RecordFile.write([1], to: path, durable: true)
        // A directory of that name can be neither written nor removed as a file.
        try Directories.create(path + ".new")
        #expect(throws: StorageError.self) { try RecordFile.write([2], to: path, durable: true) }
        #expect(try RecordFile.read(path) == [1])
        try Directories.removeTree(path + ".new")
        try RecordFile.write([3], to: path, durable: true)
        #expect(try RecordFile.read(path) == [3])
    }

    @Test func `a planted link is neither followed nor read`() throws {
        let target = directory("target")
        try put([9], at: target)
        try #require(symlink(target, path + ".new") == 0)
        try RecordFile.write([1], to: path, durable: true)
        #expect(try contents(target) == [9])
        try #require(unlink(path) == 0)
        try #require(symlink(target, path) == 0)
        #expect(throws: StorageError.failed(path: path, operation: "open", code: ELOOP)) {
            try RecordFile.read(path)
        }
    }

    @Test func `what is missing is named`() {
        let lost = directory("lost/record")
        #expect(throws: StorageError.missing(path: lost)) { try RecordFile.read(lost) }
        #expect(throws: StorageError.missing(path: lost + ".new")) {
            try RecordFile.write([1], to: lost, durable: true)
        }
    }
}
