import ServiceLimits
import Testing

@testable import HTTPWire

@Suite struct FrameBudgetTests {
    private let start = Instant(nanoseconds: 0)

    private func budget(_ capacity: Int = 1000, rate: Int = 100) -> FrameBudget {
        var limits = Limits()
        limits.frameCredit = capacity
        limits.frameCreditRate = rate
        return FrameBudget(limits: limits, now: start)
    }

    @Test func `it is exhausted by one more than it has`() {
        var budget = budget()
        budget.spend(1000)
        #expect(!budget.isExhausted)
        budget.spend(1)
        #expect(budget.isExhausted)
    }

    @Test func `time gives back, never more than there was`() {
        var budget = budget()
        budget.spend(1000)
        budget.refill(now: start + .milliseconds(500))
        budget.spend(50)
        #expect(!budget.isExhausted)
        budget.spend(1)
        #expect(budget.isExhausted)
        budget.refill(now: start + .seconds(1_000_000_000))
        budget.spend(1000)
        #expect(!budget.isExhausted)
        budget.spend(1)
        #expect(budget.isExhausted)
    }

    @Test func `time too short to give one back is not lost`() {
        var budget = budget()
        budget.spend(1000)
        for tick in 1...50 { budget.refill(now: start + .milliseconds(tick)) }
        budget.spend(5)
        #expect(!budget.isExhausted)
        budget.spend(1)
        #expect(budget.isExhausted)
    }

    @Test func `bytes give back, however they come`() {
        var budget = budget()
        budget.spend(1000)
        for _ in 0..<640 { budget.moved(1) }
        budget.spend(10)
        #expect(!budget.isExhausted)
        budget.spend(1)
        #expect(budget.isExhausted)
    }
}

@Suite struct FrameTrackerTests {
    @Test func `frames are seen however the bytes are cut`() {
        let frames = [
            Frame.settings([(id: 1, value: 2)]), .headers(1, HTTP2Client.post, end: false),
            .data(1, [UInt8](repeating: 0, count: 70_000)), .data(1, [], end: true), .reset(5),
        ]
        let bytes = Frame.preface + frames.flatMap(\.bytes)
        for piece in [1, 7, 100, 1_000_000] {
            var tracker = FrameTracker()
            var seen: [[Int]] = []
            for start in stride(from: 0, to: bytes.count, by: piece) {
                Array(bytes[start..<min(start + piece, bytes.count)]).withUnsafeBytes {
                    _ = tracker.advance(over: $0, blockLimit: .max) { frame, _ in
                        seen.append(
                            [frame.length, Int(frame.type), Int(frame.flags), Int(frame.streamID)])
                    }
                }
            }
            #expect(
                seen == frames.map { [$0.payload.count, Int($0.kind), Int($0.flags), $0.stream] })
            #expect(tracker.payloadLeft == 0 && !tracker.isInsideHead)
        }
    }

    @Test func `a header block lasts to the end of its last frame`() {
        var tracker = FrameTracker()
        let bytes =
            Frame.preface + Frame(.headers, stream: 1, [1, 2, 3]).bytes
            + Frame(.continuation, flags: Frame.endHeaders, stream: 1, [4, 5]).bytes
        for (index, byte) in bytes.enumerated() {
            [byte].withUnsafeBytes { _ = tracker.advance(over: $0, blockLimit: .max) { _, _ in } }
            #expect(tracker.isInsideHead == (33..<bytes.count).contains(index + 1))
        }
        #expect(tracker.blockBytes == 5)
    }
}

@Suite struct ClosedStreamsTests {
    @Test func `the last ones are remembered, and how they were closed`() {
        var closed = ClosedStreams(capacity: 3)
        for id in stride(from: Int32(1), through: 9, by: 2) {
            closed.note(id, id == 7 ? .reset : .ended)
        }
        #expect(closed.way(1) == nil && closed.way(3) == nil && closed.way(11) == nil)
        #expect(closed.way(5) == .ended && closed.way(7) == .reset && closed.way(9) == .ended)
    }
}
