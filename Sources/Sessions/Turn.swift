/// A place in a session's queue. Turns come in the order of admission, one at a time.
///
/// Called with the session unlocked, from whatever thread ended the turn before.
protocol Turn: AnyObject, Sendable {
    /// The turn has come. Must end with `Session.endTurn`, on any thread.
    func begin()
    /// The session was deleted while this waited or worked. No `begin` follows.
    func sessionDeleted()
}

/// Work that was decided under a session's lock and is to be done after it is released.
struct AfterUnlock {
    private var first: (() -> Void)?
    private var rest: [() -> Void] = []

    mutating func add(_ work: @escaping () -> Void) {
        if first == nil { first = work } else { rest.append(work) }
    }

    func run() {
        first?()
        for work in rest { work() }
    }
}
