import Glibc
import Synchronization

/// A trainer's own weights, kept while it validates with the average: opaque bytes in a file.
///
/// Immutable once it is published; the file goes with the last reference.
public final class CachedFile: Sendable {
    public let fileDescriptor: Int32
    public let byteCount: Int
    public let contentType: String
    private let path: String
    private let budget: ByteBudget

    fileprivate init(
        fileDescriptor: Int32, byteCount: Int, contentType: String, path: String,
        budget: ByteBudget
    ) {
        self.fileDescriptor = fileDescriptor
        self.byteCount = byteCount
        self.contentType = contentType
        self.path = path
        self.budget = budget
    }

    deinit {
        close(fileDescriptor)
        unlink(path)
        budget.give(back: byteCount)
    }
}

/// A cached file that is being received. Used from one thread at a time.
public final class CachedFileWriter {
    private let fileDescriptor: Int32
    private let path: String
    private let budget: ByteBudget
    private let contentType: String
    private var byteCount = 0
    private var isFinished = false

    fileprivate init(path: String, contentType: String, budget: ByteBudget) throws(SessionError) {
        let fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard fd >= 0 else {
            throw .insufficientStorage(detail: "creating \(path): \(String(cString: strerror(errno)))")
        }
        fileDescriptor = fd
        self.path = path
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
                throw .insufficientStorage(
                    detail: "writing cached weights: \(String(cString: strerror(errno)))")
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    fileprivate func finish() -> CachedFile {
        isFinished = true
        return CachedFile(
            fileDescriptor: fileDescriptor, byteCount: byteCount, contentType: contentType,
            path: path, budget: budget)
    }
}

/// One file per trainer, replaced atomically. Any thread.
public final class CachedWeights: Sendable {
    private struct State {
        var files: [String: CachedFile] = [:]
        var filesCreated = 0
        var isClosed = false
    }

    private let session: String
    private let directory: String
    private let maximumTrainers: Int
    private let budget: ByteBudget
    private let state = Mutex(State())

    init(session: String, directory: String, maximumTrainers: Int, budget: ByteBudget) {
        self.session = session
        self.directory = directory
        self.maximumTrainers = maximumTrainers
        self.budget = budget
    }

    public func beginWriting(contentType: String) throws(SessionError) -> CachedFileWriter {
        let number = state.withLock { state in
            state.filesCreated += 1
            return state.filesCreated
        }
        return try CachedFileWriter(
            path: "\(directory)/cached.\(number)", contentType: contentType, budget: budget)
    }

    /// Publishes what was written; readers of the file before it finish undisturbed.
    ///
    /// - Returns: whether the trainer had none before.
    public func publish(
        _ writer: CachedFileWriter, for trainer: String
    ) throws(SessionError) -> Bool {
        let file = writer.finish()
        let result = state.withLock { state -> Result<CachedFile?, SessionError> in
            guard !state.isClosed else { return .failure(.sessionNotFound(session: session)) }
            guard state.files[trainer] != nil || state.files.count < maximumTrainers else {
                return .failure(
                    .quotaExceeded(
                        detail: "a session keeps cached weights of \(maximumTrainers) trainers"))
            }
            return .success(state.files.updateValue(file, forKey: trainer))
        }
        return try result.get() == nil
    }

    public func file(of trainer: String) throws(SessionError) -> CachedFile {
        guard let file = state.withLock({ $0.files[trainer] }) else {
            throw .cachedNotFound(trainer: trainer)
        }
        return file
    }

    public func delete(_ trainer: String) throws(SessionError) {
        guard state.withLock({ $0.files.removeValue(forKey: trainer) }) != nil else {
            throw .cachedNotFound(trainer: trainer)
        }
    }

    func deleteAll() {
        // The files are closed here, outside the lock.
        _ = state.withLock { state in
            state.isClosed = true
            defer { state.files = [:] }
            return state.files
        }
    }

    var byteCount: Int {
        state.withLock { $0.files.values.reduce(0) { $0 + $1.byteCount } }
    }
}
