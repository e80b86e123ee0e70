import Storage
import Synchronization

extension Session {
    /// Puts a turn's change into the data directory and the journal, for sessions whose durability
    /// is `disk`: what is left for the turn's commit is to make it visible, and it must, whoever
    /// still waits for the answer. After an error neither place has the change. Not for a lane.
    ///
    /// - Parameters:
    ///   - slots: those that the change publishes, by average.
    ///   - file: the open file of `.cachedStored`.
    func makeDurable(
        _ change: SessionChange, slots: [Int: Slot] = [:], file: CachedFile? = nil
    ) throws(SessionError) {
        let result = durableTurn.withLock { _ in
            Result { () throws(SessionError) in
                let before = try snapshotForChange(change)
                try write(
                    DurableSnapshot(before, after: change, slots: slots, file: file, of: self))
                do throws(SessionError) {
                    try journalDurable(change)
                } catch {
                    try takeBack(to: before, because: error)
                    throw error
                }
            }
        }
        try result.get()
    }

    /// The session as it is, when `change` can be appended to the journal next: the data directory
    /// is to be ahead of the journal for no longer than it must.
    private func snapshotForChange(_ change: SessionChange) throws(SessionError) -> DurableSnapshot
    {
        try state.withLock { state -> Result<DurableSnapshot, SessionError> in
            Result { () throws(SessionError) in
                if let refusal = state.refusal(self) { throw refusal }
                try state.reserve(change)
                return DurableSnapshot(state, of: self)
            }
        }.get()
    }

    private func journalDurable(_ change: SessionChange) throws(SessionError) {
        try state.withLock { state -> Result<Void, SessionError> in
            Result { () throws(SessionError) in
                if let refusal = state.refusal(self) { throw refusal }
                try state.append(change)
                state.isDurableAhead = true
            }
        }.get()
    }

    /// Makes the data directory what it was before a change that the journal did not take.
    private func takeBack(
        to before: DurableSnapshot, because cause: SessionError
    ) throws(SessionError) {
        do throws(SessionError) {
            try write(before)
        } catch {
            throw becomeReadOnly("\(cause), and its change cannot be taken back: \(error)")
        }
    }

    /// Writes the published revision to the data directory if it is not there yet. Not for a lane.
    ///
    /// - Throws: also when the session is read-only and its revision is not there.
    func checkpoint() throws(SessionError) {
        let result = durableTurn.withLock { _ in
            Result { () throws(SessionError) in
                if let snapshot = try snapshotForCheckpoint() { try write(snapshot) }
            }
        }
        try result.get()
    }

    private func snapshotForCheckpoint() throws(SessionError) -> DurableSnapshot? {
        try state.withLock { state -> Result<DurableSnapshot?, SessionError> in
            // Cached weights change no revision, so the files are compared too.
            let cached = Set(state.cachedFiles.values.map(\.number))
            // What a turn has written is newer than what is published, and is to stay.
            guard !state.isDeleted, !state.isDurableAhead,
                state.durableRevision != state.record.revision || cached != state.durableCached
            else { return .success(nil) }
            if let refusal = state.refusal(self) { return .failure(refusal) }
            return .success(DurableSnapshot(state, of: self))
        }.get()
    }

    private func write(_ snapshot: DurableSnapshot) throws(SessionError) {
        do throws(StorageError) {
            try durableCopy.write(snapshot)
        } catch {
            guard case .syncFailed = error else { throw SessionError(error) }
            throw becomeReadOnly("\(error); what is on disk is not known")
        }
        state.withLock { state in
            state.durableRevision = snapshot.record.revision
            state.durableCached = Set(snapshot.cached.values.map(\.number))
        }
    }

    private func becomeReadOnly(_ cause: String) -> SessionError {
        let reason = "\(cause). Restart the service"
        state.withLock { $0.readOnlyReason = reason }
        return .readOnly(session: name, reason: reason)
    }
}

/// What is written to the data directory: one moment of a session.
struct DurableSnapshot: Sendable {
    var record: SessionRecord
    /// By the average's index.
    var models: [Int: SlotPin] = [:]
    /// By trainer.
    var cached: [String: CachedFile]

    init(record: SessionRecord) {
        self.record = record
        cached = [:]
    }

    init(_ state: borrowing Session.State, of session: Session) {
        record = state.record
        cached = state.cachedFiles
        for (index, slots) in state.slots.enumerated() {
            if let current = slots.current { models[index] = SlotPin(current, of: session) }
        }
    }

    /// The moment after a change that publishes `slots` or `file`.
    init(
        _ before: DurableSnapshot, after change: SessionChange, slots: [Int: Slot],
        file: CachedFile?, of session: Session
    ) {
        self = before
        _ = record.apply(change)
        for (average, slot) in slots { models[average] = SlotPin(slot, of: session) }
        switch change {
        case .cachedStored(let trainer, _): cached[trainer] = file
        case .cachedDropped(let trainer): cached[trainer] = nil
        case .folded, .reported: break
        }
    }
}
