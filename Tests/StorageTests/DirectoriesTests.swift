import Foundation
import Storage
import TestSupport
import Testing

@Suite struct DirectoriesTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func `a directory is made once, for its owner only`() throws {
        let path = directory("a")
        try Directories.create(path)
        try Directories.create(path)
        #expect(try permissions(path) == 0o700)
        try put([], at: directory("file"))
        #expect(throws: StorageError.self) { try Directories.create(directory("file")) }
        try #require(symlink(path, directory("link")) == 0)
        #expect(throws: StorageError.self) { try Directories.create(directory("link")) }
    }

    @Test func `a tree goes with all that is in it, and links lead nowhere`() throws {
        let kept = directory("kept")
        try Directories.create(kept)
        try put([1], at: kept + "/file")
        let tree = directory("tree")
        for path in [tree, tree + "/a", tree + "/a/b"] {
            try Directories.create(path)
            try put([1], at: path + "/file")
        }
        try #require(symlink(kept, tree + "/link") == 0)
        try Directories.removeTree(tree)
        try Directories.removeTree(tree)
        #expect(try Directories.entries(of: directory.path) == ["kept"])
        #expect(try Directories.entries(of: kept) == ["file"])
        try #require(symlink(kept, directory("link")) == 0)
        #expect(throws: StorageError.self) { try Directories.removeTree(directory("link")) }
        #expect(try Directories.entries(of: kept) == ["file"])
    }

    @Test func `a file is removed once and may be removed again`() throws {
        try put([1], at: directory("a"))
        try Directories.removeFile(directory("a"))
        try Directories.removeFile(directory("a"))
        #expect(try Directories.entries(of: directory.path) == [])
    }

    @Test func `memory is told from a disk, and both have room`() throws {
        #expect(try Directories.isMemoryBacked("/dev/shm"))
        #expect(try !Directories.isMemoryBacked("/"))
        #expect(try Directories.freeBytes("/dev/shm") > 0)
        #expect(throws: StorageError.missing(path: directory("lost"))) {
            try Directories.freeBytes(directory("lost"))
        }
    }

    // MARK: Identity

    @Test func `a directory keeps the UUID it got first`() throws {
        let id = try Directories.identity(of: directory.path)
        #expect(UUID(uuidString: id)?.uuidString.lowercased() == id)
        // Version 4 and the variant, RFC 9562 sections 4.1 and 4.2.
        let digits = Array(id)
        #expect(digits[14] == "4")
        #expect("89ab".contains(digits[19]))
        #expect(try Directories.identity(of: directory.path) == id)
        #expect(try permissions(directory("id")) == 0o600)
        let other = directory("other")
        try Directories.create(other)
        #expect(try Directories.identity(of: other) != id)
    }

    @Test func `each flipped bit and each missing byte of the identity is damage`() throws {
        let path = directory("id")
        _ = try Directories.identity(of: directory.path)
        let bytes = try contents(path)
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                try put(changed, at: path)
                expectDamage(path) { _ = try Directories.identity(of: directory.path) }
            }
            try put(Array(bytes[..<index]), at: path)
            expectDamage(path) { _ = try Directories.identity(of: directory.path) }
        }
    }

    @Test func `a newer directory is refused and left as it is`() throws {
        let path = directory("id")
        let text = "polyak directory, version 12\nsomething else\nof two lines\n"
        let checksum = Array(text.utf8).withUnsafeBytes { Checksum.crc32c($0) }
        let newer = Array("\(text)crc32c \(String(format: "%08x", checksum))\n".utf8)
        try put(newer, at: path)
        #expect(throws: StorageError.newerVersion(path: path, found: 12, known: 1)) {
            try Directories.identity(of: directory.path)
        }
        #expect(try contents(path) == newer)
        #expect(try Directories.entries(of: directory.path) == ["id"])
    }

    // MARK: Lock

    @Test func `a directory is held once, and again after it was let go`() throws {
        let path = directory.path
        do {
            let lock = try DirectoryLock(directory: path)
            let held = StorageError.inUse(path: path, by: "process \(getpid())")
            #expect(throws: held) { try DirectoryLock(directory: path) }
            withExtendedLifetime(lock) {}
        }
        _ = try DirectoryLock(directory: path)
        #expect(try permissions(directory("lock")) == 0o600)
    }

    /// util-linux's flock(1) is the other process.
    @Test func `another process keeps this one out until it ends`() throws {
        let path = directory.path
        let other = Process()
        let input = Pipe()
        let output = Pipe()
        other.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        let script = "echo 4711 >\"$0\"; echo ready; read line"
        other.arguments = [directory("lock"), "sh", "-c", script, directory("lock")]
        other.standardInput = input
        other.standardOutput = output
        try other.run()
        #expect(output.fileHandleForReading.readData(ofLength: 6) == Data("ready\n".utf8))
        #expect(throws: StorageError.inUse(path: path, by: "process 4711")) {
            try DirectoryLock(directory: path)
        }
        try input.fileHandleForWriting.close()
        other.waitUntilExit()
        _ = try DirectoryLock(directory: path)
    }
}
