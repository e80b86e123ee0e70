import ServiceLimits

extension HTTP1Engine {
    public var deadline: Instant? {
        guard ending == nil else { return nil }
        switch phase {
        case .head: return headDeadline
        case .body: return bodyClock.deadline
        case .complete, .ended, .handedOver: return nil
        }
    }

    public func timeExpired(now: Instant, unreadBytes: Int) {
        call(now) {
            guard let deadline, deadline <= now else { return }
            if phase == .body {
                var clock = bodyClock
                let isInTime = clock.allows(unreadBytes: unreadBytes, now: now)
                bodyClock = clock
                guard !isInTime else { return }
                refuse(.bodyTimedOut, abort: .timedOut)
            } else if !isHeadEmpty {
                refuse(.headTimedOut)
            } else if unreadBytes > 0 {
                // A head has begun to come at the last moment and is about to be read.
                headDeadline = now + limits.headTimeout
            } else {
                end(.close)
            }
        }
    }

    /// The body's clock runs exactly while bytes are wanted and can be expected.
    ///
    /// A body that was resumed outside the transport's calls begins to count at the next of them,
    /// which brings the time.
    func updateBodyClock() {
        var clock = bodyClock
        if phase == .body, isReadingBody, !(delivery == .dropping && mayAwaitContinue) {
            clock.run(now: now)
        } else {
            clock.stop(now: now)
        }
        bodyClock = clock
    }
}
