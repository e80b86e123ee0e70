import Foundation
import Testing

@testable import Transport

/// Processor time is measured, so that a loaded machine changes nothing.
@Suite struct PollerTests {
    private let poller: Poller

    init() throws {
        poller = try Poller(busyPoll: .milliseconds(200))
    }

    /// A wait whose event is there at once: whatever was before, looking busily pays again.
    private func waitShortly() {
        poller.wake()
        #expect(poller.wait(timeout: -1, isBulk: true) == 1)
        #expect(poller.event(0).token == .mailbox)
        poller.clearWake()
    }

    /// The processor time that this thread spends in a wait of 300 ms in which nothing comes.
    private func timeSpentInVain(isBulk: Bool) -> Duration {
        let before = threadTime()
        #expect(poller.wait(timeout: 300, isBulk: isBulk) == 0)
        return threadTime() - before
    }

    private func threadTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    @Test func `a wait that looked in vain makes the next one sleep`() {
        waitShortly()
        _ = timeSpentInVain(isBulk: true)
        #expect(timeSpentInVain(isBulk: true) < .milliseconds(50))
    }

    @Test func `without bulk transfer a wait sleeps`() {
        waitShortly()
        #expect(timeSpentInVain(isBulk: false) < .milliseconds(50))
    }

    @Test func `a busy wait is ended by another thread`() {
        for _ in 0..<100 {
            waitShortly()
            let poller = poller
            Thread.detachNewThread { poller.wake() }
            // A wait ends without an event when the process was stopped and goes on.
            var count = 0
            while count == 0 { count = poller.wait(timeout: -1, isBulk: true) }
            #expect(count == 1)
            poller.clearWake()
        }
    }
}
