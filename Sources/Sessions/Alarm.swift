import Dispatch

/// Calls once on a thread of Dispatch's, unless it was let go of before. `@unchecked Sendable`: a
/// Dispatch source may be used from any thread.
final class Alarm: @unchecked Sendable {
    private let source: any DispatchSourceTimer

    init(after time: Duration, _ work: @escaping @Sendable () -> Void) {
        source = DispatchSource.makeTimerSource(queue: .global(qos: .utility))
        let interval = DispatchTimeInterval(time)
        source.schedule(deadline: .now() + interval, leeway: .milliseconds(10))
        source.setEventHandler(handler: work)
        source.activate()
    }

    deinit { source.cancel() }
}
