import ServiceLimits
import Synchronization

// What a session's averages need of memory, and whether it may have it.

extension Session {
    /// Two buffers for each average, the published one and the next: the same from the first model
    /// on. Older revisions that readers hold come on top of it, for as long as they do.
    static func neededByteCount(
        _ layout: ModelLayout, of name: String, _ settings: SessionSettings
    ) -> Int {
        settings.averages.reduce(0) { sum, average in
            let header = SlotHeader(layout, session: name, average)
            return sum + 2 * (header.byteCount + layout.dataByteCount)
        }
    }

    /// Claims the memory of the session's averages when an upload is about to fix their layout,
    /// before any of it is taken. Not for a lane.
    ///
    /// - Throws: `insufficientStorage` with the figures.
    func claimMemory(for job: FoldJob) throws(SessionError) {
        guard job.fixesLayout, let layout = job.layout else { return }
        // A body is given its memory in several steps; the claim is made with the first.
        guard state.withLock({ $0.claimedByteCount == 0 && !$0.isDeleted }) else { return }
        let needed = Session.neededByteCount(layout, of: name, settings)
        let need =
            "the session's averages need \(needed) bytes, two buffers for each of "
            + "\(settings.averages.count)"
        guard needed <= limits.sessionBytes else {
            throw .insufficientStorage(
                detail: "\(need); a session may have \(limits.sessionBytes)")
        }
        guard budgets.models.take(needed) else {
            throw .insufficientStorage(
                detail: "\(need); all sessions may have \(budgets.models.limit), and have "
                    + "\(budgets.models.usedByteCount): DELETE one that is no longer needed")
        }
        state.withLock { state in
            state.claimedByteCount = needed
            // Its deletion came in between, and found nothing to give back.
            if state.isDeleted { state.dropClaim(to: budgets.models) }
        }
    }
}

extension Session.State {
    /// Gives the claimed memory back, of a session that has no model or is deleted.
    mutating func dropClaim(to budget: ByteBudget) {
        budget.give(back: claimedByteCount)
        claimedByteCount = 0
    }
}
