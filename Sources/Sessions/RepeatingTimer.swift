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
        let step = DispatchTimeInterval(interval)
        source.schedule(
            deadline: .now() + step, repeating: step, leeway: DispatchTimeInterval(interval / 10))
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
