import TestSupport

/// Holds back work until the test opens it.
final class Gate: Sendable {
    private let state = Guarded((isOpen: false, work: [@Sendable () -> Void]()))
    /// Work that has come so far.
    let waiting = Tally()
    /// Engines that were told to come to an end.
    let stopping = Tally()

    func wait(_ work: @escaping @Sendable () -> Void) {
        let isOpen = state.withLock { state in
            if !state.isOpen { state.work.append(work) }
            return state.isOpen
        }
        if isOpen { work() }
        waiting.add()
    }

    func open() {
        let work = state.withLock { state in
            state.isOpen = true
            defer { state.work = [] }
            return state.work
        }
        for piece in work { piece() }
    }
}
