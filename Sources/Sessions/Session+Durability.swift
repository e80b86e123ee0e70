import Storage
import Synchronization

extension Session {
    /// Writes the session as it will be after `change` to the data directory; for sessions whose
    /// durability is `disk`, by the turn's holder before it commits. Not for a lane.
    ///
    /// - Parameters:
    ///   - slots: those that the change publishes, by average.
    ///   - file: the open file of `.cachedStored`.
    func makeDurable(
        _ change: SessionChange, slots: [Int: Slot] = [:], file: CachedFile? = nil
    ) throws(SessionError) {
        let copied = state.withLock { state -> Result<DurableSnapshot, SessionError> in
            Result { () throws(SessionError) in
                if let refusal = state.refusal(self) { throw refusal }
                // The commit that follows must not fail for want of room, or the data directory
                // would be ahead of what the client was told.
                do throws(StorageError) {
                    try state.journal.file.reserve(change.bytes().count)
                } catch {
                    throw SessionError(error)
                }
                return self.snapshot(of: state)
            }
        }
        var snapshot = try copied.get()
        _ = snapshot.record.apply(change)
        for (average, slot) in slots { snapshot.models[average] = SlotPin(slot, of: self) }
        switch change {
        case .cachedStored(let trainer, _): snapshot.cached[trainer] = file
        case .cachedDropped(let trainer): snapshot.cached[trainer] = nil
        case .folded, .reported: break
        }
        try write(snapshot)
    }

    /// Writes the published revision to the data directory if it is not there yet. Not for a lane.
    func checkpoint() throws(SessionError) {
        let snapshot = state.withLock { state -> DurableSnapshot? in
            // Cached weights change no revision, so the files are compared too.
            let cached = Set(state.cachedFiles.values.map(\.number))
            guard state.refusal(self) == nil,
                state.durableRevision != state.record.revision || cached != state.durableCached
            else { return nil }
            return self.snapshot(of: state)
        }
        if let snapshot { try write(snapshot) }
    }

    /// What is written to the data directory: one moment of the session.
    private struct DurableSnapshot {
        var record: SessionRecord
        var models: [Int: SlotPin]
        var cached: [String: CachedFile]
    }

    private func snapshot(of state: State) -> DurableSnapshot {
        var models: [Int: SlotPin] = [:]
        for (index, slots) in state.slots.enumerated() {
            if let current = slots.current { models[index] = SlotPin(current, of: self) }
        }
        return DurableSnapshot(
            record: state.record, models: models, cached: state.cachedFiles)
    }

    private func write(_ snapshot: DurableSnapshot) throws(SessionError) {
        do throws(StorageError) {
            try durableCopy.write(
                snapshot.record, models: snapshot.models, cached: snapshot.cached)
        } catch {
            if case .syncFailed = error {
                let reason = "\(error); what is on disk is not known. Restart the service"
                state.withLock { $0.readOnlyReason = reason }
                throw .readOnly(session: name, reason: reason)
            }
            throw SessionError(error)
        }
        state.withLock { state in
            state.durableRevision = snapshot.record.revision
            state.durableCached = Set(snapshot.cached.values.map(\.number))
        }
    }
}

extension SessionError {
    init(_ error: StorageError) {
        switch error {
        case .noSpace: self = .insufficientStorage(detail: "\(error)")
        default: self = .storageFailed(detail: "\(error)")
        }
    }
}
