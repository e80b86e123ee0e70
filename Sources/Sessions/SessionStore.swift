import Dispatch
public import Logging
public import ServiceLimits
public import Storage
import Synchronization

/// All sessions of the service, and the directories they live in. Any thread.
public final class SessionStore: Sendable {
    /// What became of a creation.
    public enum Creation: Sendable {
        case created(Session)
        case existed(Session)
    }

    private struct State {
        private(set) var sessions: [String: Session] = [:]
        /// How many of them each identity created.
        private(set) var countOfOwner: [String: Int] = [:]
        /// Sessions whose files cannot be read, or not removed.
        var damaged: [String: Damaged] = [:]
        var isStopping = false

        mutating func add(_ session: Session) {
            sessions[session.name] = session
            if let owner = session.owner { countOfOwner[owner, default: 0] += 1 }
        }

        mutating func remove(_ name: String) -> Session? {
            let session = sessions.removeValue(forKey: name)
            if let owner = session?.owner, let count = countOfOwner[owner] {
                countOfOwner[owner] = count == 1 ? nil : count - 1
            }
            return session
        }
    }

    private struct Damaged {
        var reason: String
        /// The name that its directories have.
        var directory: String
    }

    private let limits: Limits
    private let directories: SessionDirectories
    private let budgets: Budgets
    private let logger: Logger
    private let state: Mutex<State>
    /// Creates and deletes, one at a time: both wait for disks.
    private let queue = DispatchQueue(label: "sessions", qos: .userInitiated)
    private let secondTimer = RepeatingTimer()
    private let checkpointTimer = RepeatingTimer()

    /// Finds again what a process before this one left.
    ///
    /// - Parameters:
    ///   - dataDirectory: holds what survives a power cut; made if it is missing.
    ///   - runtimeDirectory: made if it is missing; on a tmpfs, so that the averages are in memory.
    /// - Throws: `StorageError` when a directory cannot be used, or another process uses it. A
    ///   session that cannot be read does not keep the others from starting.
    public init(
        limits: Limits, dataDirectory: String, runtimeDirectory: String, logger: Logger
    ) throws(StorageError) {
        self.limits = limits
        self.logger = logger
        directories = try SessionDirectories(
            data: dataDirectory, runtime: runtimeDirectory, logger: logger)
        budgets = Budgets(limits)
        let recovery = SessionRecovery(
            directories: directories, limits: limits, budgets: budgets, logger: logger)
        state = Mutex(SessionStore.recover(try directories.sessionDirectories(), recovery, logger))
        try directories.markStoppedCleanly(notFoundAfterCleanStop)
        // Only of a session whose copy was damaged there is something to write.
        checkpoint { $0.settings.durability == .disk }
        secondTimer.start(every: .seconds(1)) { [weak self] in self?.tick() }
        checkpointTimer.start(every: limits.checkpointInterval) { [weak self] in
            self?.checkpoint()
        }
    }

    private static func recover(
        _ names: [String], _ recovery: SessionRecovery, _ logger: Logger
    ) -> State {
        var state = State()
        for directory in names {
            switch recovery.recover(directory) {
            case .recovered(let session): state.add(session)
            case .damaged(let name, let reason):
                logger.error("session damaged: \(reason)", metadata: ["session": "\(name)"])
                state.damaged[name] = Damaged(reason: reason, directory: directory)
            case .nothing: break
            }
        }
        logger.info(
            "sessions found",
            metadata: [
                "sessions": "\(state.sessions.count)", "damaged": "\(state.damaged.count)",
            ])
        return state
    }

    // MARK: Creating

    /// Creates a session, or finds it when it exists with equal settings.
    ///
    /// - Parameters:
    ///   - owner: the name of the identity that creates it, for its quota; nil without one.
    ///   - answer: called once, on a Dispatch thread, when the creation survives what the
    ///     session's durability promises.
    public func create(
        _ name: String, settings: SessionSettings, owner: String?,
        answer: @escaping @Sendable (Result<Creation, SessionError>) -> Void
    ) {
        queue.async { [self] in
            answer(
                Result { () throws(SessionError) in
                    if let existing = try existing(name, settings, owner) { return existing }
                    let session = try makeSession(name, settings, owner)
                    state.withLock { $0.add(session) }
                    return .created(session)
                })
        }
    }

    private func existing(
        _ name: String, _ settings: SessionSettings, _ owner: String?
    ) throws(SessionError) -> Creation? {
        let result = state.withLock { state -> Result<Creation?, SessionError> in
            if let known = state.sessions[name] {
                return known.settings == settings
                    ? .success(.existed(known)) : .failure(.sessionExists(session: name))
            }
            if let damaged = state.damaged[name] {
                return .failure(.damaged(session: name, reason: damaged.reason))
            }
            guard !state.isStopping else { return .failure(.shuttingDown) }
            guard state.sessions.count < limits.sessions else {
                return .failure(
                    .quotaExceeded(
                        detail: "the service holds at most \(limits.sessions) sessions; "
                            + "DELETE one that is no longer needed"))
            }
            if let owner, state.countOfOwner[owner, default: 0] >= limits.sessionsPerIdentity {
                return .failure(
                    .quotaExceeded(
                        detail: "\(owner) has created \(limits.sessionsPerIdentity) sessions, as "
                            + "many as one may; DELETE one that is no longer needed"))
            }
            return .success(nil)
        }
        return try result.get()
    }

    private func makeSession(
        _ name: String, _ settings: SessionSettings, _ owner: String?
    ) throws(SessionError) -> Session {
        let record = SessionRecord(
            name: name, settings: settings, owner: owner, incarnation: Session.makeIncarnation(),
            maximumKeys: limits.idempotencyKeys, maximumHistory: limits.history)
        let directory = SessionDirectories.makeName(
            session: name, incarnation: record.incarnation)
        let runtime = directories.runtimeDirectory(directory)
        let durableCopy = DurableCopy(
            directory: directories.dataDirectory(directory), contents: nil)
        do throws(StorageError) {
            // First, because what the runtime directory has may be answered.
            if settings.durability == .disk {
                try durableCopy.write(DurableSnapshot(record: record))
            }
            try Directories.create(runtime)
            let journal = SessionJournal(
                try Journal.create(
                    at: Session.journalPath(in: runtime), first: record.bytes()))
            return Session(
                record: record, journal: journal, slots: settings.averages.map { _ in SlotSet() },
                cachedFiles: [:], directory: runtime, durableCopy: durableCopy,
                durable: settings.durability == .disk ? .init(revision: 0) : nil,
                limits: limits, budgets: budgets)
        } catch {
            // Neither place keeps a part of what was never acknowledged.
            try? remove(durableCopy, directory, of: name)
            throw SessionError(error)
        }
    }

    // MARK: Finding

    /// The session of this name.
    ///
    /// - Throws: `sessionNotFound`, or `damaged` when its files cannot be read.
    public func session(_ name: String) throws(SessionError) -> Session {
        let result = state.withLock { state -> Result<Session, SessionError> in
            if let session = state.sessions[name] { return .success(session) }
            if let damaged = state.damaged[name] {
                return .failure(.damaged(session: name, reason: damaged.reason))
            }
            return .failure(.sessionNotFound(session: name))
        }
        return try result.get()
    }

    /// Up to `limit` sessions after the name `after`, in byte order; and whether there are more.
    ///
    /// - Parameter prefix: those whose names begin otherwise are left out; nil leaves out none.
    public func list(
        after: String?, prefix: String?, limit: Int
    ) -> (sessions: [Session], hasMore: Bool) {
        let all = state.withLock { Array($0.sessions.values) }
        let rest = all.filter { session in
            (after.map { $0.utf8.lexicographicallyPrecedes(session.name.utf8) } ?? true)
                && (prefix.map { session.name.utf8.starts(with: $0.utf8) } ?? true)
        }
        let sorted = rest.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return (Array(sorted.prefix(limit)), sorted.count > limit)
    }

    // MARK: Deleting

    /// Ends a session at once, damaged ones too; its files go when the last reader has finished.
    ///
    /// - Parameter answer: called once, on a Dispatch thread, when the deletion survives a crash.
    public func delete(
        _ name: String, answer: @escaping @Sendable (Result<Void, SessionError>) -> Void
    ) {
        let session = state.withLock { $0.remove(name) }
        session?.delete()
        queue.async { [self] in
            answer(
                Result { () throws(SessionError) in
                    if let session {
                        try remove(
                            session.durableCopy, directories.name(ofRuntime: session.directory),
                            of: name)
                    } else {
                        try removeDamaged(name)
                    }
                    logger.info("session deleted", metadata: ["session": "\(name)"])
                })
        }
    }

    private func removeDamaged(_ name: String) throws(SessionError) {
        guard let damaged = state.withLock({ $0.damaged[name] }) else {
            throw .sessionNotFound(session: name)
        }
        let copy = DurableCopy(
            directory: directories.dataDirectory(damaged.directory), contents: nil)
        try remove(copy, damaged.directory, of: name)
        state.withLock { $0.damaged[name] = nil }
    }

    /// Removes a session's directories. The durable copy goes first: while the journal is there,
    /// the session is whole.
    private func remove(
        _ copy: DurableCopy, _ directory: String, of name: String
    ) throws(SessionError) {
        let runtime = directories.runtimeDirectory(directory)
        do throws(StorageError) {
            try copy.delete()
            try Directories.removeFile(Session.journalPath(in: runtime))
        } catch {
            // It would be found again at the next start, so it must not seem to be gone.
            let damaged = Damaged(
                reason: "it could not be removed: \(error); DELETE it again",
                directory: directory)
            state.withLock { $0.damaged[name] = damaged }
            throw SessionError(error)
        }
        Directories.discardTree(runtime)
    }

    // MARK: Running and stopping

    private func tick() {
        let now = ContinuousClock.now
        for session in state.withLock({ Array($0.sessions.values) }) {
            session.checkPace()
            session.checkLease(now: now)
            session.checkReaders(now: now)
            session.discardSurplus()
            session.mappings.dropIdle(now: now)
        }
    }

    /// Writes every session's published revision to the data directory, one after the other.
    ///
    /// - Returns: those whose revision is there.
    @discardableResult
    private func checkpoint(_ isWanted: (Session) -> Bool = { _ in true }) -> [Session] {
        var complete: [Session] = []
        for session in state.withLock({ Array($0.sessions.values) }) where isWanted(session) {
            do throws(SessionError) {
                try session.checkpoint()
                complete.append(session)
            } catch {
                logger.error(
                    "checkpoint failed: \(error)", metadata: ["session": "\(session.name)"])
            }
        }
        return complete
    }

    /// Damaged sessions that nothing was lost of by the stop before this start: they may be found
    /// again by the next.
    private var notFoundAfterCleanStop: Set<String> {
        let damaged = state.withLock { Set($0.damaged.values.map(\.directory)) }
        return directories.stoppedCleanly.intersection(damaged)
    }

    /// New uploads and sessions are refused from now on, and everything that waits is woken.
    public func beginShutdown() {
        let sessions = state.withLock { state in
            state.isStopping = true
            return Array(state.sessions.values)
        }
        for session in sessions { session.wakeAllWaiters() }
    }

    /// Whether `beginShutdown` was called.
    public var isStopping: Bool { state.withLock { $0.isStopping } }

    /// From now on nothing happens because time passes.
    func stopTimers() {
        secondTimer.cancel()
        checkpointTimer.cancel()
    }

    /// Writes everything to the data directory. To be called when no request is served any more.
    public func close() {
        stopTimers()
        let complete = checkpoint().map { directories.name(ofRuntime: $0.directory) }
        do throws(StorageError) {
            try directories.markStoppedCleanly(notFoundAfterCleanStop.union(complete))
        } catch {
            logger.error("\(error)")
        }
    }
}
