import Foundation
import Glibc
import TensorFormats
import Testing

@testable import Sessions

/// A file that its owner writes or shortens while it is read.
@Suite struct ModelFileTests {
    private let directory: URL
    private let files: LocalFiles

    init() throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("polyak-files-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        try Data("0123456789".utf8).write(to: directory.appendingPathComponent("model"))
        files = try LocalFiles(directory: directory.path)
    }

    /// Runs `body` and clears up, since a suite's value has no end.
    private func withFile(_ body: (ModelFile, String) throws -> Void) throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        try body(try files.open("model"), directory.appendingPathComponent("model").path)
    }

    private func read(_ file: ModelFile, _ range: Range<Int>) throws -> String {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)
        defer { room.deallocate() }
        return String(decoding: try file.bytes(range, room), as: UTF8.self)
    }

    @Test func `its bytes are read where they are asked for`() throws {
        try withFile { file, _ in
            let middle = try read(file, 3..<7)
            #expect(middle == "3456")
            #expect(file.byteCount == 10)
            try file.checkUnchanged()
        }
    }

    @Test func `a file that was shortened is a malformed model`() throws {
        try withFile { file, path in
            #expect(truncate(path, 5) == 0)
            let left = try read(file, 0..<5)
            #expect(left == "01234")
            let error = #expect(throws: SessionError.self) { try read(file, 3..<7) }
            guard case .model(.malformed(_, offset: 5, tensor: nil)) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test(arguments: [10, 11])
    func `a file that was written meanwhile is a malformed model`(byteCount: Int) throws {
        try withFile { file, path in
            // A time stamp of its own, as a system's clock may tick slowly.
            let times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 7)]
            #expect(truncate(path, byteCount) == 0)
            #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
            let error = #expect(throws: SessionError.self) { try file.checkUnchanged() }
            guard case .model(.malformed) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func `a directory that is not there is named at the start`() throws {
        #expect(throws: (any Error).self) { try LocalFiles(directory: directory.path + "/none") }
        try? FileManager.default.removeItem(at: directory)
    }
}
