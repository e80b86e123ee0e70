import Dispatch
import ServiceLimits
import Synchronization

/// Readers and uploads share an average's slots: whoever reads an older revision keeps its slot
/// from being written. Beyond `Limits.pinnedRevisions` such slots an upload waits, with its turn,
/// for one of their readers; one that is too slow then is dropped.
extension Session {
    /// Whether `upload`, whose turn it is, can have a slot for each started average now. If not,
    /// its turn begins anew when it can. Under the lock.
    func hasRoom(for upload: Upload, _ state: inout State) -> Bool {
        // Set before looking, so that no reader lets go unnoticed in between.
        isBlocked.store(true, ordering: .relaxed)
        guard state.hasRoom(bound: limits.pinnedRevisions) else {
            state.blocked = upload
            return false
        }
        state.blocked = nil
        isBlocked.store(false, ordering: .relaxed)
        return true
    }

    /// A reader uses a slot no more, or less. From any thread, even one that has the lock.
    func readerLetGo() {
        guard isBlocked.load(ordering: .relaxed) else { return }
        DispatchQueue.global(qos: .userInitiated).async { self.resumeBlocked() }
    }

    private func resumeBlocked() {
        let upload = state.withLock { state -> Upload? in
            guard let upload = state.blocked else {
                isBlocked.store(false, ordering: .relaxed)
                return nil
            }
            return hasRoom(for: upload, &state) ? upload : nil
        }
        upload?.begin()
    }

    /// Drops readers below `Limits.readRate` when an upload waits for them.
    ///
    /// Called about once a second.
    func checkReaders(now: ContinuousClock.Instant) {
        let drops = state.withLock { state -> [@Sendable () -> Void] in
            guard state.blocked != nil else { return [] }
            return state.slots.flatMap { slots in
                slots.hasRoom(bound: limits.pinnedRevisions)
                    ? []
                    : slots.overdueReaders(
                        now: now, rate: limits.readRate, grace: limits.leaseWindow)
            }
        }
        for drop in drops { drop() }
    }

    /// Gives back the memory of slots that nothing needs any more.
    ///
    /// Called about once a second, not on a lane.
    func discardSurplus() {
        let surplus = state.withLock { state in
            state.slots.indices.map { state.slots[$0].takeSurplus() }
        }
        guard surplus.contains(where: { !$0.isEmpty }) else { return }
        for slot in surplus.joined() { slot.discard() }
        state.withLock { state in
            for (index, slots) in surplus.enumerated() { state.slots[index].discarded(slots.count) }
        }
        readerLetGo()
    }
}

extension Session.State {
    fileprivate func hasRoom(bound: Int) -> Bool {
        slots.allSatisfy { $0.hasRoom(bound: bound) }
    }
}
