import Synchronization

/// Work for a lane from any thread.
struct Mailbox {
    var work: [@Sendable () -> Void] = []
    var isClosed = false
}

extension Lane {
    /// Runs `work` on the lane in one of its next turns, in order of the calls; never inside the
    /// call. Dropped when the lane has ended.
    ///
    /// Only the first piece of a batch pays for a wake-up, and none when the lane posts to itself:
    /// it looks into the mailbox before it waits.
    func post(_ work: @escaping @Sendable () -> Void) {
        let needsWake = mailbox.withLock { mailbox in
            guard !mailbox.isClosed else { return false }
            mailbox.work.append(work)
            hasMail.store(true, ordering: .relaxed)
            return mailbox.work.count == 1
        }
        if needsWake, !isCurrent { poller.wake() }
    }

    /// Runs what is there now; what that posts waits for the next turn.
    ///
    /// What is posted from another thread at this moment may not be seen yet; it comes with a
    /// wake-up.
    func runMail() {
        guard hasMail.load(ordering: .relaxed) else { return }
        let batch = mailbox.withLock { mailbox in
            hasMail.store(false, ordering: .relaxed)
            defer { mailbox.work = [] }
            return mailbox.work
        }
        for work in batch { work() }
    }

    /// Runs what is left and takes no more.
    func closeMailbox() {
        let rest = mailbox.withLock { mailbox in
            mailbox.isClosed = true
            defer { mailbox.work = [] }
            return mailbox.work
        }
        for work in rest { work() }
    }
}
