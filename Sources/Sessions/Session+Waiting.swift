import ServiceLimits
import Synchronization

// Waiting for an average to change.

extension Session {
    struct Waiter {
        /// Index in the averages.
        var average: Int
        /// Ends the wait when its time is over.
        var alarm: Alarm
        var wake: @Sendable () -> Void
    }

    /// Calls `wake` once, on any thread, when `average` has changed since `revision`, `time` has
    /// passed, the session is deleted, or the service stops. Until then the session holds it.
    ///
    /// - Returns: a token for `cancelWait` and `endWait`; nil when there is nothing to wait for:
    ///   look again.
    /// - Throws: `quotaExceeded` when `Limits.waiters` wait already.
    public func wait(
        for average: String, changedSince revision: Int, atMost time: Duration,
        wake: @escaping @Sendable () -> Void
    ) throws(SessionError) -> Int? {
        let result = state.withLock { state -> Result<Int?, SessionError> in
            guard !state.isDeleted,
                let index = settings.averages.firstIndex(where: { $0.name == average }),
                state.record.averages[index].changedRevision == revision
            else { return .success(nil) }
            guard state.waiters.count < limits.waiters else {
                return .failure(
                    .quotaExceeded(detail: "\(limits.waiters) requests wait in this session"))
            }
            state.waitersCreated += 1
            let token = state.waitersCreated
            // It holds the session no longer than the session holds the waiter.
            let alarm = Alarm(after: time) { self.endWait(token) }
            state.waiters[token] = Waiter(average: index, alarm: alarm, wake: wake)
            return .success(token)
        }
        return try result.get()
    }

    /// Forgets a waiter, which is not woken any more. Does nothing when it was woken.
    public func cancelWait(_ token: Int) {
        _ = takeWaiter(token)
    }

    /// Wakes a waiter now. Does nothing when it was woken.
    public func endWait(_ token: Int) {
        takeWaiter(token)?.wake()
    }

    /// What the waiter held is let go of outside the lock.
    private func takeWaiter(_ token: Int) -> Waiter? {
        state.withLock { $0.waiters.removeValue(forKey: token) }
    }

    func wakeWaiters(
        _ state: inout State, _ after: inout AfterUnlock, where isWoken: (Waiter) -> Bool
    ) {
        guard !state.waiters.isEmpty else { return }
        for (token, waiter) in state.waiters where isWoken(waiter) {
            state.waiters[token] = nil
            after.add(waiter.wake)
        }
    }

    func wakeAllWaiters() {
        var after = AfterUnlock()
        state.withLock { wakeWaiters(&$0, &after) { _ in true } }
        after.run()
    }
}
