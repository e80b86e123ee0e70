import Foundation
import Glibc
import TensorFormats
import TestSupport
import Testing

@testable import Sessions

/// A file that its owner writes or shortens while it is read.
@Suite struct ModelFileTests {
    private let directory: TemporaryDirectory
    private let path: String
    private let file: ModelFile

    init() throws {
        directory = try TemporaryDirectory()
        path = directory("model")
        try Data("0123456789".utf8).write(to: URL(fileURLWithPath: path))
        file = try LocalFiles(directory: directory.path).open("model")
    }

    private func read(_ range: Range<Int>) throws -> String {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)
        defer { room.deallocate() }
        return String(decoding: try file.bytes(range, room), as: UTF8.self)
    }

    @Test func `its bytes are read where they are asked for`() throws {
        #expect(try read(3..<7) == "3456")
        #expect(file.byteCount == 10)
        try file.checkUnchanged()
    }

    @Test func `a file that was shortened is a malformed model`() throws {
        #expect(truncate(path, 5) == 0)
        #expect(try read(0..<5) == "01234")
        let error = #expect(throws: SessionError.self) { try read(3..<7) }
        guard case .model(.malformed(_, offset: 5, tensor: nil)) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: [10, 11])
    func `a file that was written meanwhile is a malformed model`(byteCount: Int) throws {
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

    @Test func `a directory that is not there is named at the start`() throws {
        #expect(throws: (any Error).self) { try LocalFiles(directory: directory("none")) }
    }
}
