import Glibc
import TensorFormats

/// A model's file that belongs to somebody else, who may write or shorten it at any moment.
///
/// It is read with `pread`, which such a change cannot harm, and mapped only if its size is sealed.
/// Each byte of the data is read once, so what was checked is what was folded.
final class ModelFile: Sendable {
    /// The size when it was opened.
    let byteCount: Int
    private let name: String
    private let fileDescriptor: Int32
    /// Keeps the descriptor open.
    private let owner: any AnyObject & Sendable
    private let mapping: SharedMapping?
    private let version: FileVersion

    /// - Parameters:
    ///   - fd: open as long as `owner` is referenced; anything, as it may come from a client.
    ///   - mappings: where mappings are kept; nil for a file that is never mapped.
    init(
        _ fd: Int32, name: String, owner: any AnyObject & Sendable,
        mappings: SharedMappings? = nil
    ) throws(SessionError) {
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .fileForbidden(detail: "\(name) is no regular file")
        }
        self.name = name
        self.owner = owner
        fileDescriptor = fd
        byteCount = status.st_size
        version = FileVersion(status)
        mapping = mappings?.mapping(of: fd, status)
    }

    /// Reads the header, of which `decoder` must have seen nothing yet.
    func readHeader(into decoder: inout SafetensorsDecoder) throws(SessionError) {
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(max(byteCount, 1), 64 * 1024), alignment: 64)
        defer { room.deallocate() }
        decoder.expect(bodyByteCount: byteCount)
        var position = 0
        repeat {
            let count = min(room.count, byteCount - position)
            let bytes = try self.bytes(position..<position + count, room)
            do { position += try decoder.receiveHeader(bytes) } catch { throw .model(error) }
        } while decoder.header == nil
    }

    /// The bytes of `range`: in the mapping, or read into `room`, which must be large enough.
    func bytes(
        _ range: Range<Int>, _ room: UnsafeMutableRawBufferPointer
    ) throws(SessionError) -> UnsafeRawBufferPointer {
        if let mapping { return UnsafeRawBufferPointer(rebasing: mapping.bytes[range]) }
        var done = 0
        while done < range.count {
            let count = pread(
                fileDescriptor, room.baseAddress.map { $0 + done }, range.count - done,
                range.lowerBound + done)
            if count > 0 {
                done += count
            } else if count == 0 {
                throw changed("ended", at: range.lowerBound + done)
            } else if errno != EINTR {
                throw .fileForbidden(
                    detail: "\(name) cannot be read: \(String(cString: strerror(errno)))")
            }
        }
        return UnsafeRawBufferPointer(rebasing: room[..<range.count])
    }

    /// Throws when the file was written while it was read, as far as its time stamp tells: a model
    /// that is half of one step and half of the next is nobody's wish.
    func checkUnchanged() throws(SessionError) {
        guard mapping == nil else { return }
        var status = stat()
        guard fstat(fileDescriptor, &status) == 0, FileVersion(status) == version else {
            throw changed("was written", at: nil)
        }
    }

    private func changed(_ what: String, at offset: Int?) -> SessionError {
        .model(
            .malformed(
                detail: "\(name) \(what) while it was read; leave it alone until the answer",
                offset: offset, tensor: nil))
    }
}

/// What `stat` shows of a file's contents.
private struct FileVersion: Equatable, Sendable {
    let byteCount: Int
    let seconds: Int
    let nanoseconds: Int

    init(_ status: stat) {
        byteCount = status.st_size
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
