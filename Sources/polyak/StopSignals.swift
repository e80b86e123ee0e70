import Foundation

/// SIGTERM, SIGINT and SIGHUP, waited for by one thread instead of interrupting any.
///
/// A blocked signal stays pending, so one that comes before the wait is not lost.
enum StopSignals {
    /// Blocks the signals in this thread, and so in every thread it starts: to be called before
    /// there are others.
    static func block() {
        var set = watched()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the next signal that asks the service to stop.
    ///
    /// - Parameter hangUp: called on this thread for each SIGHUP that comes meanwhile.
    static func wait(hangUp: () -> Void) -> Int32 {
        var set = watched()
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            guard number == SIGHUP else { return number }
            hangUp()
        }
    }

    private static func watched() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        return set
    }
}
