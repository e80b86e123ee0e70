import ServiceLimits
import Synchronization
import Testing

@testable import Sessions

/// An upload that finds every slot of its average being read.
@Suite struct BlockedUploadTests {
    private let sessions: TestSessions
    private let session: Session
    private let limits: Limits
    private let start = ContinuousClock.now

    init() throws {
        var limits = Limits()
        limits.pinnedRevisions = 0
        limits.readRate = 1000
        limits.leaseWindow = .seconds(10)
        self.limits = limits
        sessions = try TestSessions(limits)
        session = try sessions.create(#"{"rule": {"name": "uniform"}}"#)
        _ = try session.upload(model(1, 2)).get()
    }

    /// A response on its way.
    private final class Response: Sendable {
        private let model = Mutex<PublishedModel?>(nil)
        let drops = Mutex(0)

        init(_ session: Session, byteCount: Int, since start: ContinuousClock.Instant) throws {
            let published = try session.model(of: "main")
            let held = published.read(byteCount: byteCount, since: start) { [weak self] in
                self?.drop()
            }
            model.withLock { $0 = held }
        }

        private func drop() {
            drops.withLock { $0 += 1 }
            end()
        }

        func end() {
            let model = model.withLock { model in
                defer { model = nil }
                return model
            }
            withExtendedLifetime(model) {}
        }

        func sent() { model.withLock { $0?.pin.sent() } }
        var dropCount: Int { drops.withLock { $0 } }
    }

    /// An upload that has arrived whole and waits for `Response`, which began at `start`.
    private func blocked(byteCount: Int = 5000) throws -> (Response, FakeClient, Upload) {
        let response = try Response(session, byteCount: byteCount, since: start)
        _ = try session.upload(model(3, 4)).get()
        let client = FakeClient()
        let body = model(5, 9)
        let upload = try session.admitted(client, length: body.count)
        client.push(body, to: upload)
        upload.finish(fingerprint: nil)
        client.runLane()
        #expect(client.answer == nil)
        return (response, client, upload)
    }

    @Test func `it goes on when the reader ends`() throws {
        let (response, client, _) = try blocked()
        response.end()
        _ = try client.result().get()
        #expect(try session.values() == [3, 5] as [Float])
        #expect(response.dropCount == 0)
    }

    @Test func `it goes on when the reader's last byte was sent`() throws {
        let (response, client, _) = try blocked()
        response.sent()
        _ = try client.result().get()
        #expect(try session.values() == [3, 5] as [Float])
        #expect(try session.fileNames().count { $0.hasSuffix("safetensors") } == 2)
        response.end()
    }

    @Test func `a reader is dropped when its time is over and not before`() throws {
        let (response, client, _) = try blocked(byteCount: 5000)
        session.checkReaders(now: start + .seconds(15))
        #expect(response.dropCount == 0)
        session.checkReaders(now: start + .seconds(15) + .nanoseconds(1))
        #expect(response.dropCount == 1)
        _ = try client.result().get()
        #expect(try session.values() == [3, 5] as [Float])
    }

    @Test func `a reader that holds up nobody is never dropped`() throws {
        let response = try Response(session, byteCount: 1, since: start)
        session.checkReaders(now: start + .seconds(1_000_000))
        _ = try session.upload(model(3, 4)).get()
        session.checkReaders(now: start + .seconds(1_000_000))
        #expect(response.dropCount == 0)
        response.end()
    }

    @Test func `a reader of the current revision holds up nobody`() throws {
        let (response, client, _) = try blocked()
        let current = try Response(session, byteCount: 1, since: start)
        session.checkReaders(now: start + .seconds(1_000_000))
        #expect((response.dropCount, current.dropCount) == (1, 0))
        _ = try client.result().get()
        current.end()
    }

    @Test func `what is no response is waited for`() throws {
        var pin: PublishedModel? = try session.model(of: "main")
        let (response, client, _) = try blocked()
        session.checkReaders(now: start + .seconds(1_000_000))
        #expect(response.dropCount == 0)
        response.end()
        client.runLane()
        #expect(client.answer == nil)
        #expect(pin != nil)
        pin = nil
        _ = try client.result().get()
    }

    @Test func `it does not lose its turn to those behind it`() throws {
        let (response, client, _) = try blocked()
        let next = FakeClient()
        let body = model(9, 1)
        let upload = try session.admitted(next, length: body.count)
        next.push(body, to: upload)
        upload.finish(fingerprint: nil)
        for second in 0..<100 { session.checkLease(now: start + .seconds(second)) }
        client.runLane()
        #expect(client.answer == nil && next.answer == nil)
        response.end()
        _ = try client.result().get()
        _ = try next.result().get()
        #expect(try session.values() == [4.5, 4] as [Float])
    }

    @Test func `the time in which it waited is not counted against its sender`() throws {
        let response = try Response(session, byteCount: 5000, since: start)
        _ = try session.upload(model(3, 4)).get()
        let (client, next) = (FakeClient(), FakeClient())
        let body = model(5, 9)
        let upload = try session.admitted(client, length: body.count)
        client.push(Array(body[..<10]), to: upload)
        let behind = try session.admitted(next)
        for second in 0..<10 { session.checkLease(now: start + .seconds(second)) }
        response.end()
        client.runLane(until: { client.resumes > 0 })
        session.checkLease(now: start + .seconds(10))
        session.checkLease(now: start + .seconds(19))
        client.runLane()
        #expect(client.answer == nil)
        client.push(Array(body[10...]), to: upload)
        upload.finish(fingerprint: nil)
        _ = try client.result().get()
        behind.abort()
    }

    @Test func `one that has left holds nothing against readers`() throws {
        let (response, _, upload) = try blocked()
        upload.abort()
        session.checkReaders(now: start + .seconds(1_000_000))
        #expect(response.dropCount == 0)
        response.end()
    }

    @Test func `one that leaves lets the next one wait`() throws {
        let (response, client, upload) = try blocked()
        let next = FakeClient()
        let body = model(5, 9)
        let second = try session.admitted(next, length: body.count)
        next.push(body, to: second)
        second.finish(fingerprint: nil)
        upload.abort()
        next.runLane()
        #expect(client.answer == nil && next.answer == nil)
        response.end()
        _ = try next.result().get()
        #expect(try session.values() == [3, 5] as [Float])
    }

    @Test func `it ends with the session`() throws {
        let (response, client, _) = try blocked()
        try sessions.delete()
        #expect(throws: SessionError.self) { try client.result().get() }
        response.end()
        client.runLane()
    }
}
