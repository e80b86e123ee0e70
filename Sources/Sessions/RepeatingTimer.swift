import Dispatch

/// Ticks at an interval on a queue of its own. `@unchecked Sendable`: a Dispatch source may be used
/// from any thread.
final class RepeatingTimer: @unchecked Sendable {
    private let queue = DispatchQueue(label: "timer", qos: .utility)
    private let source: any DispatchSourceTimer

    init() {
        source = DispatchSource.makeTimerSource(queue: queue)
    }

    /// `tick` is never called twice at once.
    func start(every interval: Duration, _ tick: @escaping @Sendable () -> Void) {
        let (seconds, attoseconds) = interval.components
        let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        source.schedule(
            deadline: .now() + .nanoseconds(nanoseconds), repeating: .nanoseconds(nanoseconds),
            leeway: .nanoseconds(nanoseconds / 10))
        source.setEventHandler(handler: tick)
        source.activate()
    }

    /// Waits for a tick in progress; none comes after it.
    func cancel() {
        source.cancel()
        queue.sync {}
    }

    deinit {
        source.cancel()
        // Dispatch ends the process when a source that never began is let go.
        source.activate()
    }
}
