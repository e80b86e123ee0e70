import ServiceLimits
import Synchronization

/// What the upload whose turn it is has sent since others began to wait for it.
struct Lease {
    var holder: Upload
    var since: ContinuousClock.Instant
    var receivedByteCount: Int
}

/// How far the upload whose turn it is had come at the last look.
struct Pace {
    var holder: Upload
    var receivedByteCount: Int
}

extension Session {
    /// Lets waiting uploads be staged when the one whose turn it is leaves the service idle.
    ///
    /// Called about once a second.
    func checkPace() {
        let waiting = state.withLock { state -> [Upload] in
            guard state.queue.count > 1, let holder = state.queue.first as? Upload else {
                state.pace = nil
                return []
            }
            let received = holder.receivedByteCount.load(ordering: .relaxed)
            defer { state.pace = Pace(holder: holder, receivedByteCount: received) }
            guard let pace = state.pace, pace.holder === holder,
                received - pace.receivedByteCount < limits.stagingRate
            else { return [] }
            state.stagesLargeBodies = true
            return state.queue.dropFirst().compactMap { $0 as? Upload }
        }
        for upload in waiting { upload.pushOn() }
    }

    /// Whether a body of this size is staged while it waits; nil: its size is not known.
    func stages(bodyByteCount: Int?) -> Bool {
        if let bodyByteCount, bodyByteCount <= limits.stagedAtOnceBytes { return true }
        return state.withLock { $0.stagesLargeBodies }
    }

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
