import Glibc
import Synchronization

/// A trainer's own weights, kept while it validates with the average: opaque bytes in a file.
///
/// Immutable once it is published. The name stays until `discard`, the bytes until the last
/// reference goes.
public final class CachedFile: Sendable {
    /// Open for reading; it closes with this object.
    public let fileDescriptor: Int32
    /// The file's length.
    public let byteCount: Int
    /// As the trainer sent it.
    public let contentType: String
    /// The number in its name, which no other cached file of the session has had.
    let number: Int
    private let path: String
    private let budget: ByteBudget

    fileprivate init(
        fileDescriptor: Int32, byteCount: Int, contentType: String, number: Int, path: String,
        budget: ByteBudget
    ) {
        self.fileDescriptor = fileDescriptor
        self.byteCount = byteCount
        self.contentType = contentType
        self.number = number
        self.path = path
        self.budget = budget
    }

    /// Opens a file that a process before this one completed; nil when it is missing, or of
    /// another size. Its bytes count against the budget even when that is smaller now.
    init?(opening path: String, _ cached: SessionRecord.Cached, budget: ByteBudget) {
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard fd >= 0 else { return nil }
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_size == cached.byteCount else {
            close(fd)
            return nil
        }
        fileDescriptor = fd
        byteCount = cached.byteCount
        contentType = cached.contentType
        number = cached.file
        self.path = path
        self.budget = budget
        budget.takeAnyway(byteCount)
    }

    deinit {
        close(fileDescriptor)
        budget.give(back: byteCount)
    }

    static func path(in directory: String, number: Int) -> String {
        "\(directory)/cached.\(number)"
    }

    /// Up to `count` bytes from `position` on, which must lie within the file; nil when they cannot
    /// be read.
    public func read(from position: Int, upTo count: Int) -> [UInt8]? {
        let wanted = min(count, byteCount - position)
        var bytes = [UInt8](repeating: 0, count: wanted)
        var done = 0
        while done < wanted {
            let read = bytes.withUnsafeMutableBytes {
                pread(
                    fileDescriptor, $0.baseAddress.map { $0 + done }, wanted - done,
                    off_t(position + done))
            }
            if read < 0 && errno == EINTR { continue }
            guard read > 0 else { return nil }
            done += read
        }
        return bytes
    }

    /// Removes the file's name.
    func discard() { unlink(path) }
}

/// A cached file that is being received. Used from one thread at a time.
public final class CachedFileWriter {
    private let fileDescriptor: Int32
    private let number: Int
    private let path: String
    private let budget: ByteBudget
    private let contentType: String
    private var byteCount = 0
    private var isFinished = false
    /// Of one that is uploaded.
    private var permit: UploadPermit?

    init(
        directory: String, number: Int, contentType: String, permit: UploadPermit?,
        budget: ByteBudget
    ) throws(SessionError) {
        self.permit = permit
        self.number = number
        path = CachedFile.path(in: directory, number: number)
        let fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard fd >= 0 else {
            throw .system(errno, "creating \(path)")
        }
        fileDescriptor = fd
        self.contentType = contentType
        self.budget = budget
    }

    deinit {
        guard !isFinished else { return }
        close(fileDescriptor)
        unlink(path)
        budget.give(back: byteCount)
    }

    /// Appends to the file; the bytes are valid during the call only.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(SessionError) {
        guard budget.take(bytes.count) else {
            throw .insufficientStorage(
                detail: "the cached weights of all sessions are limited to \(budget.limit) bytes; "
                    + "DELETE what is no longer needed")
        }
        byteCount += bytes.count
        var rest = bytes
        while !rest.isEmpty {
            let written = Glibc.write(fileDescriptor, rest.baseAddress, rest.count)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else {
                throw .system(errno, "writing \(path)")
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    func finish() -> CachedFile {
        isFinished = true
        permit = nil
        return CachedFile(
            fileDescriptor: fileDescriptor, byteCount: byteCount, contentType: contentType,
            number: number, path: path, budget: budget)
    }
}
