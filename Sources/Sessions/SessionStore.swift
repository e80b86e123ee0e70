import Dispatch
import Glibc
public import Logging
public import ServiceLimits
import StrictJSON
import Synchronization

/// All sessions of the service, and the runtime directory that holds their tensors.
///
/// Any thread. The directory belongs to one process at a time.
public final class SessionStore: Sendable {
    public enum StartError: Error, Sendable, CustomStringConvertible {
        case unusableDirectory(path: String, reason: String)
        case directoryInUse(path: String)

        public var description: String {
            switch self {
            case .unusableDirectory(let path, let reason):
                "the runtime directory \(path) cannot be used: \(reason)"
            case .directoryInUse(let path):
                "another polyak process uses the runtime directory \(path): stop it, "
                    + "or give this one another --runtime-directory"
            }
        }
    }

    public enum Creation: Sendable {
        case created(Session)
        case existed(Session)
    }

    private struct State {
        var sessions: [String: Session] = [:]
        var isStopping = false
    }

    private let limits: Limits
    private let directory: RuntimeDirectory
    private let stagingBudget: ByteBudget
    private let cachedBudget: ByteBudget
    private let logger: Logger
    private let state = Mutex(State())
    private let leaseTimer = LeaseTimer()

    /// - Parameter runtimeDirectory: made if it is missing; on a tmpfs, so that the averages are
    ///   in memory.
    public init(
        limits: Limits, runtimeDirectory: String, logger: Logger
    ) throws(StartError) {
        self.limits = limits
        self.logger = logger
        directory = try RuntimeDirectory(runtimeDirectory)
        stagingBudget = ByteBudget(limit: limits.stagingBytes)
        cachedBudget = ByteBudget(limit: limits.cachedBytes)
        leaseTimer.start { [weak self] in self?.checkLeases() }
    }

    deinit { leaseTimer.cancel() }

    /// Creates a session, or finds it when it exists with equal settings.
    public func create(
        _ name: String, settings: SessionSettings
    ) throws(SessionError) -> Creation {
        let result = state.withLock { state -> Result<Creation, SessionError> in
            if let known = state.sessions[name] {
                return known.settings == settings
                    ? .success(.existed(known)) : .failure(.sessionExists(session: name))
            }
            guard !state.isStopping else { return .failure(.shuttingDown) }
            guard state.sessions.count < limits.sessions else {
                return .failure(
                    .quotaExceeded(
                        detail: "the service holds at most \(limits.sessions) sessions; "
                            + "DELETE one that is no longer needed"))
            }
            return Result { () throws(SessionError) in
                let session = try makeSession(name, settings)
                state.sessions[name] = session
                return .created(session)
            }
        }
        return try result.get()
    }

    private func makeSession(
        _ name: String, _ settings: SessionSettings
    ) throws(SessionError) -> Session {
        let incarnation = SessionStore.makeIncarnation()
        return Session(
            name: name, settings: settings, incarnation: incarnation,
            directory: try directory.makeSessionDirectory("\(name)@\(incarnation)"),
            limits: limits, stagingBudget: stagingBudget, cachedBudget: cachedBudget)
    }

    private static func makeIncarnation() -> String {
        let hex = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }

    public func session(_ name: String) throws(SessionError) -> Session {
        guard let session = state.withLock({ $0.sessions[name] }) else {
            throw .sessionNotFound(session: name)
        }
        return session
    }

    /// Up to `limit` sessions after the name `after`, in byte order; and whether there are more.
    public func list(after: String?, limit: Int) -> (sessions: [Session], hasMore: Bool) {
        let all = state.withLock { Array($0.sessions.values) }
        let rest = all.filter { session in
            after.map { $0.utf8.lexicographicallyPrecedes(session.name.utf8) } ?? true
        }
        let sorted = rest.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return (Array(sorted.prefix(limit)), sorted.count > limit)
    }

    /// Ends a session; its files go when the last reader has finished.
    public func delete(_ name: String) throws(SessionError) {
        guard let session = state.withLock({ $0.sessions.removeValue(forKey: name) }) else {
            throw .sessionNotFound(session: name)
        }
        session.delete()
        directory.removeSessionDirectory(session.directory)
        logger.info("session deleted", metadata: ["session": "\(name)"])
    }

    /// New uploads and sessions are refused from now on, and everything that waits is woken.
    public func beginShutdown() {
        let sessions = state.withLock { state in
            state.isStopping = true
            return Array(state.sessions.values)
        }
        for session in sessions { session.wakeAllWaiters() }
    }

    public var isStopping: Bool { state.withLock { $0.isStopping } }

    private func checkLeases() {
        let now = ContinuousClock.now
        for session in state.withLock({ Array($0.sessions.values) }) {
            session.checkLease(now: now)
        }
    }
}

/// Ticks once a second. `@unchecked Sendable`: a Dispatch source may be used from any thread.
private final class LeaseTimer: @unchecked Sendable {
    private let source: any DispatchSourceTimer

    init() {
        source = DispatchSource.makeTimerSource(queue: .global(qos: .utility))
    }

    func start(_ tick: @escaping @Sendable () -> Void) {
        source.schedule(deadline: .now() + 1, repeating: 1, leeway: .milliseconds(200))
        source.setEventHandler(handler: tick)
        source.activate()
    }

    func cancel() { source.cancel() }
}
