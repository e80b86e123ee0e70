import Averaging
import ServiceLimits
import Synchronization
import TensorFormats

/// One training run's averaging state. Every method may be called from any thread.
///
/// What the session knows is a value inside one lock, held for microseconds; the bytes of models
/// are in slots, which the upload whose turn it is writes without the lock. Uploads and reports
/// take their places in one queue, and each is decided and committed at its turn.
public final class Session: Sendable {
    struct State {
        var revision = 0
        var averages: [AverageState]
        var layout: ModelLayout?
        /// The plan of the last upload that was folded.
        var lastPlan: UploadPlan?
        var queue: [any Turn] = []
        var ledger: RequestLedger
        var reportCount = 0
        /// The newest reports, oldest first.
        var history: [HistoryEntry] = []
        var waiters: [Int: Waiter] = [:]
        var waitersCreated = 0
        var lease: Lease?
        var isDeleted = false
    }

    struct HistoryEntry {
        var report: Report
        var revision: Int
    }

    public let name: String
    public let settings: SessionSettings
    /// Random, new at creation.
    public let incarnation: String
    /// Where the slot files are.
    let directory: String
    let limits: Limits
    let stagingBudget: ByteBudget
    /// The trainers' own weights.
    public let cached: CachedWeights
    let state: Mutex<State>

    init(
        name: String, settings: SessionSettings, incarnation: String, directory: String,
        limits: Limits, stagingBudget: ByteBudget, cachedBudget: ByteBudget
    ) {
        self.name = name
        self.settings = settings
        self.incarnation = incarnation
        self.directory = directory
        self.limits = limits
        self.stagingBudget = stagingBudget
        cached = CachedWeights(
            session: name, directory: directory, maximumTrainers: limits.trainers, budget: cachedBudget)
        state = Mutex(
            State(
                averages: settings.averages.map(AverageState.init),
                ledger: RequestLedger(
                    maximumKeys: limits.idempotencyKeys, maximumTrainers: limits.trainers)))
    }

    /// Ends the session at once: turns and waiters are told, readers finish.
    func delete() {
        let turns = state.withLock { state in
            state.isDeleted = true
            defer { state.queue = [] }
            return state.queue
        }
        for turn in turns { turn.sessionDeleted() }
        wakeAllWaiters()
        cached.deleteAll()
    }

    var deletedError: SessionError { .sessionNotFound(session: name) }
}

extension Session.State {
    var hasStartedAverage: Bool { averages.contains { $0.isStarted } }

    /// Removes `turn` from the queue and begins the next one if it was this one's turn.
    mutating func leaveQueue(_ turn: any Turn, _ after: inout AfterUnlock) {
        guard let index = queue.firstIndex(where: { $0 === turn }) else { return }
        queue.remove(at: index)
        lease = nil
        if index == 0, let next = queue.first { after.add { next.begin() } }
    }
}
