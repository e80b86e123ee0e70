import ServiceLimits
import Synchronization

/// What the upload whose turn it is has sent since others began to wait for it.
struct Lease {
    var holder: Upload
    var since: ContinuousClock.Instant
    var receivedByteCount: Int
}

extension Session {
    /// Ends the turn of a sender that keeps others waiting below `Limits.leaseRate`.
    ///
    /// Called about once a second. Time in which the service itself pauses the body, or the upload
    /// waits for readers, never counts.
    func checkLease(now: ContinuousClock.Instant) {
        // Sessions in which nobody waits are most of them: one look under the lock each.
        let expired = state.withLock { state -> Upload? in
            guard state.queue.count > 1, state.blocked == nil,
                let holder = state.queue.first as? Upload
            else {
                state.lease = nil
                return nil
            }
            let received = holder.receivedByteCount.load(ordering: .relaxed)
            let isPaused = holder.isPaused.load(ordering: .relaxed)
            guard let lease = state.lease, lease.holder === holder, !isPaused else {
                state.lease = Lease(holder: holder, since: now, receivedByteCount: received)
                return nil
            }
            guard now - lease.since >= limits.leaseWindow else { return nil }
            let needed = Int(Double(limits.leaseRate) * (limits.leaseWindow / .seconds(1)))
            state.lease = Lease(holder: holder, since: now, receivedByteCount: received)
            return received - lease.receivedByteCount < needed ? holder : nil
        }
        expired?.leaseExpired(
            .leaseExpired(
                detail: "other uploads wait for this one, which sent less than "
                    + "\(limits.leaseRate) bytes a second over \(limits.leaseWindow)"))
    }
}
