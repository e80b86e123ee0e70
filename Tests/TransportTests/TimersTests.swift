import HTTPWire
import TestSupport
import Testing

@testable import Transport

@Suite struct TimersTests {
    @Test func `what is due comes in order, and nothing else does`() {
        let start = Instant.now
        var random = SplitMix(seed: 7)
        let delays = (0..<1_000).map { _ in Int.random(in: 0..<500, using: &random) }
        var timers = Timers()
        for delay in delays {
            timers.add(.listener(delay), at: start.advanced(by: .milliseconds(delay)))
        }
        var seen: [Int] = []
        for limit in stride(from: 99, to: 500, by: 100) {
            let due = timers.takeDue(at: start.advanced(by: .milliseconds(limit)))
            seen += due.compactMap(\.token.listenerIndex)
            #expect(seen.count == delays.count { $0 <= limit })
        }
        #expect(seen == delays.sorted())
        #expect(timers.earliest == nil)
    }

    @Test func `entries that do not count any more are swept, and the others come in order`() {
        let start = Instant.now
        var random = SplitMix(seed: 9)
        let counting = Set(
            (0..<100_000).filter { _ in Int.random(in: 0..<100, using: &random) == 0 })
        var timers = Timers()
        for index in 0..<100_000 {
            let delay = Int.random(in: 0..<500, using: &random)
            timers.add(.listener(index), at: start.advanced(by: .milliseconds(delay)))
            timers.sweepIfDue { $0.token.listenerIndex.map(counting.contains) ?? true }
        }
        #expect(timers.count < 2 * counting.count + 1)
        let due = timers.takeDue(at: start.advanced(by: .milliseconds(500)))
        #expect(due.map(\.instant) == due.map(\.instant).sorted())
        #expect(counting.isSubset(of: Set(due.compactMap(\.token.listenerIndex))))
    }

    @Test func `a wait never ends before its deadline`() {
        #expect(Duration.nanoseconds(1).waitMilliseconds == 1)
        #expect(Duration.milliseconds(3).waitMilliseconds == 3)
        #expect(Duration.microseconds(3_001).waitMilliseconds == 4)
        #expect(Duration.zero.waitMilliseconds == 0)
        #expect(Duration.seconds(-5).waitMilliseconds == 0)
        #expect(Duration.seconds(1 << 40).waitMilliseconds == 3_600_000)
    }
}
