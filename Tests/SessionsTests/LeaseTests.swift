import ServiceLimits
import Testing

@testable import Sessions

/// The sender whose turn it is while others wait.
@Suite struct LeaseTests {
    private let sessions: TestSessions
    private let session: Session
    private let start = ContinuousClock.now

    init() throws {
        var limits = Limits()
        limits.leaseRate = 100
        limits.leaseWindow = .seconds(10)
        limits.stagingBytes = 1000
        sessions = try TestSessions(limits)
        session = try sessions.create(#"{"rule":{"name":"latest"}}"#)
        _ = try session.upload(LeaseTests.body).get()
    }

    private static let body = model([TestTensor("w", [Float](repeating: 1, count: 1000))])

    private func check(_ seconds: Int) { session.checkLease(now: start + .seconds(seconds)) }

    @Test func aSenderThatKeepsOthersWaitingLosesItsTurn() throws {
        let (slow, waiting) = (FakeClient(), FakeClient())
        let holder = try session.admitted(slow)
        let other = try session.admitted(waiting)
        check(0)
        slow.push(Array(Self.body[..<999]), to: holder)
        check(9)
        slow.runLane()
        #expect(slow.answer == nil)
        check(10)
        slow.runLane()
        guard case .failure(.leaseExpired) = slow.answer else {
            Issue.record("kept its turn")
            return
        }
        waiting.runLane()
        waiting.push(Self.body, to: other)
        other.finish(fingerprint: nil)
        #expect(try waiting.result().get().contains(#""revision":2,"#))
    }

    @Test func whoSendsFastEnoughKeepsItsTurn() throws {
        let (fast, waiting) = (FakeClient(), FakeClient())
        let holder = try session.admitted(fast)
        let other = try session.admitted(waiting)
        check(0)
        fast.push(Array(Self.body[..<1000]), to: holder)
        check(10)
        fast.push(Array(Self.body[1000..<2000]), to: holder)
        check(20)
        fast.runLane()
        #expect(fast.answer == nil)
        other.abort()
        holder.abort()
    }

    @Test func aSlowSenderMayTakeItsTimeWhenNobodyWaits() throws {
        let client = FakeClient()
        let holder = try session.admitted(client)
        check(0)
        check(1000)
        client.runLane()
        #expect(client.answer == nil)
        // The time counts from when the other came.
        let other = try session.admitted(FakeClient())
        check(1001)
        check(1010)
        client.runLane()
        #expect(client.answer == nil)
        check(1011)
        client.runLane()
        #expect(client.answer != nil)
        other.abort()
        holder.abort()
    }

    @Test func timeInWhichTheServicePausesDoesNotCount() throws {
        let session = try sessions.create(#"{"rule":{"name":"latest"}}"#, name: "paused")
        let client = FakeClient()
        let holder = try session.admitted(client)
        let other = try session.admitted(FakeClient())
        // The first model: memory is taken, and the body is not read meanwhile.
        #expect(client.offer(Self.body, to: holder) < Self.body.count)
        session.checkLease(now: start)
        session.checkLease(now: start + .seconds(100))
        client.waitForLaneWork()
        client.runLane()
        #expect(client.answer == nil)
        other.abort()
        holder.abort()
    }
}
