import ServiceLimits
import Synchronization

extension Session {
    /// Begins a file for a trainer's cached weights.
    ///
    /// - Parameter identity: the name of who sends them; nil without one.
    public func beginCached(
        contentType: String, identity: String?
    ) throws(SessionError) -> CachedFileWriter {
        let permit = try budgets.uploads.enter(identity)
        let number = state.withLock { state in
            state.cachedFilesCreated += 1
            return state.cachedFilesCreated
        }
        return try CachedFileWriter(
            directory: directory, number: number, contentType: contentType, permit: permit,
            budget: budgets.cached)
    }

    /// Publishes what was written; readers of the file before it finish undisturbed.
    ///
    /// - Parameter answer: called once, on any thread; says whether the trainer had none before.
    public func storeCached(
        _ writer: CachedFileWriter, for trainer: String,
        answer: @escaping @Sendable (Result<Bool, SessionError>) -> Void
    ) {
        let file = writer.finish()
        let isNew = state.withLock { $0.record.cached[trainer] == nil }
        let stored = SessionRecord.Cached(
            file: file.number, contentType: file.contentType, byteCount: file.byteCount)
        let turn = PendingChange(
            session: self, change: .cachedStored(trainer: trainer, stored),
            identity: RequestIdentity(), file: file
        ) { result in
            if case .failure = result { file.discard() }
            answer(result.map { _ in isNew })
        }
        enqueue(turn) { state in
            guard isNew, state.record.cached.count >= limits.trainers else { return nil }
            return .failure(
                .quotaExceeded(
                    detail: "a session keeps cached weights of \(limits.trainers) trainers"))
        }
    }

    /// A trainer's cached weights; who holds them can read them whatever happens to the session.
    public func cachedFile(of trainer: String) throws(SessionError) -> CachedFile {
        guard let file = state.withLock({ $0.cachedFiles[trainer] }) else {
            throw .cachedNotFound(trainer: trainer)
        }
        return file
    }

    /// - Parameter answer: called once, on any thread.
    public func dropCached(
        of trainer: String, answer: @escaping @Sendable (Result<Void, SessionError>) -> Void
    ) {
        let turn = PendingChange(
            session: self, change: .cachedDropped(trainer: trainer), identity: RequestIdentity(),
            file: nil
        ) { result in answer(result.map { _ in }) }
        enqueue(turn) { state in
            state.record.cached[trainer] == nil
                ? .failure(.cachedNotFound(trainer: trainer)) : nil
        }
    }
}
