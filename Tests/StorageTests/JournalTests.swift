import Glibc
import Storage
import TestSupport
import Testing

@Suite struct JournalTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory("journal")
    }

    private let entries: [[UInt8]] = [noise(40), [1, 2, 3], [], noise(70, seed: 9)]

    /// A journal of `entries`, closed, and where each of them ends in the file.
    private func write() throws -> [Int] {
        let journal = try Journal.create(at: path, first: entries[0])
        var ends = [journal.byteCount]
        for entry in entries.dropFirst() {
            try journal.append(entry)
            ends.append(journal.byteCount)
        }
        return ends
    }

    @Test func `what was appended is read back in order, now and after more`() throws {
        let ends = try write()
        let (journal, found) = try Journal.open(at: path)
        #expect(found == entries)
        #expect(journal.byteCount == ends.last)
        #expect(journal.snapshotByteCount == ends[0])
        try journal.append([7])
        #expect(try Journal.open(at: path).entries == entries + [[7]])
        #expect(try permissions(path) == 0o600)
        #expect(try contents(path).count == journal.byteCount)
    }

    @Test func `an entry that the file ends in is cut off, wherever it ends`() throws {
        let ends = try write()
        let bytes = try contents(path)
        for cut in ends[0]..<bytes.count {
            try put(Array(bytes[..<cut]), at: path)
            let whole = ends.filter { $0 <= cut }
            let (journal, found) = try Journal.open(at: path)
            #expect(found == Array(entries.prefix(whole.count)))
            #expect(try contents(path).count == whole.last)
            try journal.append([5, 5])
            #expect(try Journal.open(at: path).entries == found + [[5, 5]])
        }
    }

    @Test func `a file that ends before its first entry does is damaged`() throws {
        let ends = try write()
        let bytes = try contents(path)
        for cut in 0..<ends[0] {
            try put(Array(bytes[..<cut]), at: path)
            #expect(throws: StorageError.self) { try Journal.open(at: path) }
            #expect(try contents(path).count == cut)
        }
    }

    @Test func `each flipped bit is damage, those of the last entry included`() throws {
        _ = try write()
        let bytes = try contents(path)
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                try put(changed, at: path)
                expectDamage(path) { _ = try Journal.open(at: path) }
                #expect(try contents(path) == changed)
            }
        }
    }

    @Test func `an entry that is missing, doubled or another file's is damage`() throws {
        let ends = try write()
        let bytes = try contents(path)
        try put(Array(bytes[..<ends[0]] + bytes[ends[1]...]), at: path)
        expectDamage(path, "has another number") { _ = try Journal.open(at: path) }
        try put(Array(bytes[..<ends[1]] + bytes[ends[0]...]), at: path)
        expectDamage(path, "has another number") { _ = try Journal.open(at: path) }

        let other = directory("other")
        _ = try Journal.create(at: other, first: entries[0])
        let mixed = try contents(other) + bytes[ends[0]...]
        try put(mixed, at: other)
        expectDamage(other, "has a header with another checksum") {
            _ = try Journal.open(at: other)
        }
    }

    @Test func `compacting leaves the snapshot alone and goes on from there`() throws {
        _ = try write()
        let journal = try Journal.open(at: path).journal
        try journal.compact([4, 2])
        #expect(journal.byteCount == journal.snapshotByteCount)
        try journal.append([6])
        #expect(try Journal.open(at: path).entries == [[4, 2], [6]])
        #expect(try Directories.entries(of: directory.path) == ["journal"])
    }

    @Test func `what a crash left beside the journal does not hinder it`() throws {
        try put([1], at: path + ".new")
        let journal = try Journal.create(at: path, first: [1])
        try put(noise(10_000), at: path + ".new")
        try journal.compact([2])
        #expect(try Journal.open(at: path).entries == [[2]])
    }

    @Test func `reserved room changes neither the size nor the entries`() throws {
        let journal = try Journal.create(at: path, first: [1])
        try journal.reserve(1 << 20)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_size == journal.byteCount)
        #expect(status.st_blocks * 512 >= 1 << 20)
        try journal.append([2])
        #expect(try Journal.open(at: path).entries == [[1], [2]])
    }

    /// A descriptor for reading only refuses the write and the cut behind it.
    @Test func `a journal that cannot be cut back takes nothing until it is compacted`() throws {
        let journal = try Journal.create(at: path, first: [1])
        let descriptor = try #require(openDescriptor(of: path))
        let readOnly = open(path, O_RDONLY | O_CLOEXEC)
        let writable = dup(descriptor)
        try #require(dup2(readOnly, descriptor) >= 0)
        let refused = StorageError.failed(path: path, operation: "write", code: EBADF)
        #expect(throws: refused) { try journal.append([2]) }
        try #require(dup2(writable, descriptor) >= 0)
        close(readOnly)
        close(writable)
        #expect(throws: refused) { try journal.append([3]) }
        try journal.compact([4])
        try journal.append([5])
        #expect(try Journal.open(at: path).entries == [[4], [5]])
    }

    @Test func `a newer version is refused and left as it is`() throws {
        _ = try write()
        // An unfinished entry would be cut off in a version that is known.
        let newer = withVersion(2, try contents(path)) + [1]
        try put(newer, at: path)
        #expect(throws: StorageError.newerVersion(path: path, found: 2, known: 1)) {
            try Journal.open(at: path)
        }
        #expect(try contents(path) == newer)
    }

    @Test func `a journal is made once, and opened only where there is one`() throws {
        #expect(throws: StorageError.missing(path: path)) { try Journal.open(at: path) }
        _ = try Journal.create(at: path, first: [1])
        #expect(throws: StorageError.failed(path: path, operation: "create", code: EEXIST)) {
            try Journal.create(at: path, first: [2])
        }
        #expect(try Journal.open(at: path).entries == [[1]])
    }
}

/// The number of this process's descriptor for the file at `path`.
private func openDescriptor(of path: String) -> Int32? {
    var wanted = stat()
    guard stat(path, &wanted) == 0 else { return nil }
    return (0..<1024).first { descriptor in
        var found = stat()
        return fstat(descriptor, &found) == 0 && found.st_ino == wanted.st_ino
            && found.st_dev == wanted.st_dev
    }
}
