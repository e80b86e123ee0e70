import CPlatform
import Foundation
import Glibc
import HTTPWire
import Synchronization

/// A file in memory, and what became of the pins of its slices.
final class PinnedFile: Sendable {
    let fd: Int32
    let content: [UInt8]
    let sent = Tally()
    let abandoned = Tally()
    let released = Tally()

    init(_ content: [UInt8]) throws {
        self.content = content
        let template = temporaryPath()
        fd = open(template, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw ClientError(call: "open", code: errno) }
        unlink(template)
        guard content.withUnsafeBytes({ write(fd, $0.baseAddress, $0.count) }) == content.count
        else { throw ClientError(call: "write", code: errno) }
    }

    deinit { close(fd) }

    func slice(
        offset: Int = 0, count: Int? = nil, transfer: FileSlice.Transfer = .sendfile,
        mapping: UnsafeRawPointerBox? = nil
    ) -> FileSlice {
        FileSlice(
            fileDescriptor: fd, mapping: mapping, offset: offset,
            count: count ?? content.count - offset, pin: Pin(self), transfer: transfer)
    }
}

private final class Pin: SlicePin {
    let file: PinnedFile

    init(_ file: PinnedFile) { self.file = file }
    deinit { file.released.add() }
    func sent() { file.sent.add() }
    func abandoned() { file.abandoned.add() }
}
