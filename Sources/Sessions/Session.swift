import Averaging
import Dispatch
import ServiceLimits
import Storage
import StrictJSON
import Synchronization
import TensorFormats

/// One training run's averaging state. Every method may be called from any thread.
///
/// What the session knows is a value inside one lock, held for microseconds; the bytes of models
/// are in slots, which the upload whose turn it is writes without the lock. Every change — an
/// upload, a report, cached weights — takes its place in one queue and is decided and committed at
/// its turn: first written to the journal, then made visible, then answered.
public final class Session: Sendable {
    struct State {
        var record: SessionRecord
        /// One per average.
        var slots: [SlotSet]
        /// Open files of `record.cached`.
        var cachedFiles: [String: CachedFile]
        var cachedFilesCreated: Int
        var journal: SessionJournal
        /// The plan of the last upload that was folded.
        var lastPlan: UploadPlan?
        var queue: [any Turn] = []
        var inFlight = RequestsInFlight()
        var waiters: [Int: Waiter] = [:]
        var waitersCreated = 0
        var lease: Lease?
        var pace: Pace?
        /// The upload whose turn it is is slow, so that large bodies that wait are staged.
        var stagesLargeBodies = false
        /// The upload whose turn it is waits for a reader to let go of a slot.
        var blocked: Upload?
        var isDeleted = false
        /// Why nothing is changed any more until the service was restarted.
        var readOnlyReason: String?
        /// The newest revision in the data directory; nil before the first.
        var durableRevision: Int?
        /// Bytes taken of `Budgets.models`.
        var claimedByteCount: Int
        /// The numbers of the cached files in the data directory.
        var durableCached: Set<Int>
        /// A change is in the data directory and in the journal, and not published yet.
        var isDurableAhead = false
    }

    /// The session's id in the API.
    public let name: String
    /// As created, with defaults filled in.
    let settings: SessionSettings
    /// Random, new at creation and whenever an older revision had to be gone back to.
    public let incarnation: String
    /// The name of the identity that created it; nil when nobody had to say who they are.
    let owner: String?
    /// Where the slot files and the journal are.
    let directory: String
    let limits: Limits
    let budgets: Budgets
    /// The copy in the data directory.
    let durableCopy: DurableCopy
    /// Set while there may be a blocked upload: for `readerLetGo`.
    let isBlocked = Atomic<Bool>(false)
    /// Held from looking at the state until the data directory has it: what is written later is
    /// newer. Taken before the state's lock.
    let durableTurn = Mutex(())
    /// Of uploads by reference.
    let mappings: SharedMappings
    let state: Mutex<State>

    /// - Parameters:
    ///   - slots: one set per average.
    ///   - durable: what the data directory holds of the session.
    init(
        record: SessionRecord, journal: SessionJournal, slots: [SlotSet],
        cachedFiles: [String: CachedFile], directory: String, durableCopy: DurableCopy,
        durable: DurableCopy.Contents?, limits: Limits, budgets: Budgets
    ) {
        name = record.name
        settings = record.settings
        incarnation = record.incarnation
        owner = record.owner
        self.directory = directory
        self.limits = limits
        self.budgets = budgets
        self.durableCopy = durableCopy
        mappings = SharedMappings(limit: limits.keptMappings)
        let claimed =
            record.layout.map {
                Session.neededByteCount($0, of: record.name, record.settings)
            } ?? 0
        // What is there already counts, even when less is allowed now.
        budgets.models.takeAnyway(claimed)
        state = Mutex(
            State(
                record: record, slots: slots, cachedFiles: cachedFiles,
                // A number in the data directory stands for the bytes that are there.
                cachedFilesCreated: max(
                    cachedFiles.values.map(\.number).max() ?? 0,
                    durable?.cached.keys.max() ?? 0),
                journal: journal, durableRevision: durable?.revision, claimedByteCount: claimed,
                durableCached: Set(durable?.cached.keys.map { $0 } ?? [])))
    }

    /// Ends the session at once: turns and waiters are told, readers finish.
    func delete() {
        let turns = state.withLock { state in
            state.isDeleted = true
            state.blocked = nil
            state.dropClaim(to: budgets.models)
            defer { state.queue = [] }
            return state.queue
        }
        for turn in turns { turn.sessionDeleted() }
        wakeAllWaiters()
        mappings.dropAll()
        // What nobody holds goes now: readers keep the session, but only their own slots.
        let unused = state.withLock { state in
            defer {
                state.cachedFiles = [:]
                state.slots = state.slots.map { _ in SlotSet() }
            }
            return (state.cachedFiles, state.slots)
        }
        // Closing and unmapping may take long.
        DispatchQueue.global(qos: .utility).async { withExtendedLifetime(unused) {} }
    }

    static func makeIncarnation() -> String {
        let hex = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }

    static func journalPath(in directory: String) -> String { directory + "/journal" }

    var deletedError: SessionError { .sessionNotFound(session: name) }
}

extension Session.State {
    /// Why no change may be committed now.
    func refusal(_ session: Session) -> SessionError? {
        if isDeleted { return session.deletedError }
        return readOnlyReason.map { .readOnly(session: session.name, reason: $0) }
    }

    /// Removes `turn` from the queue and begins the next one if it was this one's turn.
    mutating func leaveQueue(_ turn: any Turn, _ after: inout AfterUnlock) {
        guard let index = queue.firstIndex(where: { $0 === turn }) else { return }
        queue.remove(at: index)
        if blocked === turn { blocked = nil }
        guard index == 0 else { return }
        lease = nil
        pace = nil
        stagesLargeBodies = false
        if let next = queue.first { after.add { next.begin() } }
    }

    /// Writes a change to the journal, unless `makeDurable` has, and makes it. The slots it names
    /// are published by the caller.
    ///
    /// - Returns: the answer's body.
    mutating func commit(_ change: SessionChange) throws(SessionError) -> [UInt8] {
        if !isDurableAhead { try append(change) }
        isDurableAhead = false
        let answer = record.apply(change)
        compactIfLong()
        return answer
    }

    /// Makes sure that there is room in the journal for a change that is appended next.
    mutating func reserve(_ change: SessionChange) throws(SessionError) {
        do throws(StorageError) {
            try mendJournal()
            try journal.file.reserve(change.bytes().count)
        } catch {
            throw SessionError(error)
        }
    }

    mutating func append(_ change: SessionChange) throws(SessionError) {
        do throws(StorageError) {
            try mendJournal()
            try journal.file.append(change.bytes())
        } catch {
            throw SessionError(error)
        }
    }

    /// Begins the journal anew when a part of an entry could not be removed from its end.
    private mutating func mendJournal() throws(StorageError) {
        if journal.file.isBroken { try journal.file.compact(record.bytes()) }
    }

    /// Begins the journal anew when replaying it would take long.
    ///
    /// Under the lock, which a session with many idempotency keys then holds for some milliseconds
    /// once in many thousand uploads.
    private mutating func compactIfLong() {
        let changes = journal.file.byteCount - journal.file.snapshotByteCount
        guard changes > max(256 * 1024, 2 * journal.file.snapshotByteCount) else { return }
        // A journal that could not be compacted is as good as before; it is tried again later.
        try? journal.file.compact(record.bytes())
    }
}

/// A session's journal. `@unchecked Sendable`: it is part of the session's state and used under its
/// lock only.
struct SessionJournal: @unchecked Sendable {
    let file: Journal

    init(_ file: Journal) {
        self.file = file
    }
}

extension SessionRecord {
    func bytes() -> [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }
}
