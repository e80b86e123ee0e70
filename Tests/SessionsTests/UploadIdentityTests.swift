import ServiceLimits
import Testing

@testable import Sessions

/// Steps and idempotency keys: every model is folded once.
@Suite final class UploadIdentityTests {
    private var sessions: TestSessions?

    private func session(_ limits: Limits = Limits()) throws -> Session {
        let sessions = try TestSessions(limits)
        self.sessions = sessions
        return try sessions.create(UploadTests.half)
    }

    @Test func theLastStepAgainIsAnsweredFromTheRecord() throws {
        let session = try session()
        let first = try session.upload(model(1), step: 3).get()
        let state = session.stateText
        // Its body is not compared, nor looked at.
        for body in [model(1), model(9), [0]] {
            #expect(
                session.upload(body, step: 3)
                    == .success(first.dropLast() + #","duplicate":true}"#))
        }
        #expect(session.stateText == state)
        #expect(try session.values() == [1])
    }

    @Test func aLowerStepIsStaleAndAGapIsAllowed() throws {
        let session = try session()
        _ = try session.upload(model(1), step: 3).get()
        _ = try session.upload(model(1), step: 30).get()
        let stale = SessionError.staleStep(trainer: "default", given: 29, last: 30)
        #expect(session.upload(model(1), step: 29) == .failure(stale))
        // Another trainer counts for itself.
        _ = try session.upload(model(1), step: 0, trainer: "b").get()
        #expect(session.stateText.contains(#""last_step":{"b":0,"default":30}"#))
    }

    @Test func aStepAndAKeyInFlightAreInProgress() throws {
        let session = try session()
        let client = FakeClient()
        let upload = try session.admitted(client, step: 1, key: "k")
        for refused in [
            session.upload(model(1), step: 1), session.upload(model(1), key: "k"),
            session.report(1, key: "k"),
        ] {
            guard case .failure(.inProgress) = refused else {
                Issue.record("\(refused)")
                continue
            }
        }
        upload.abort()
        // Nothing is left of them.
        _ = try session.upload(model(1), step: 1, key: "k").get()
    }

    @Test func aStepThatBecameStaleWhileItWaitedIsRefusedAtItsTurn() throws {
        let session = try session()
        let clients = (0..<2).map { _ in FakeClient() }
        let later = try session.admitted(clients[0], step: 5)
        let earlier = try session.admitted(clients[1], step: 4, length: model(1).count)
        clients[1].push(model(1), to: earlier)
        earlier.finish(fingerprint: nil)
        clients[0].push(model(1), to: later)
        later.finish(fingerprint: nil)
        _ = try clients[0].result().get()
        #expect(
            clients[1].result()
                == .failure(.staleStep(trainer: "default", given: 4, last: 5)))
        #expect(try session.model(of: "main").count == 1)
    }

    @Test func aKeyIsAnsweredFromTheRecordEvenWithAStep() throws {
        let session = try session()
        let first = try session.upload(model(1), step: 1, key: "k").get()
        _ = try session.upload(model(3), step: 2).get()
        // The key is looked up before the step, which is stale by now.
        #expect(session.upload(model(1), step: 1, key: "k") == .success(first))
        let request = Session.request(step: 1, key: "k")
        guard case .compare(let known, _) = session.admit(request, client: FakeClient()) else {
            Issue.record("the key is not known")
            return
        }
        #expect(known == RequestFingerprint(head: "POST", body: .sha256([1])))
    }

    @Test func aFailedUploadLeavesNoKeyAndNoStep() throws {
        let session = try session()
        guard case .failure(.nonFinite) = session.upload(model(.nan), step: 1, key: "k") else {
            Issue.record("taken")
            return
        }
        _ = try session.upload(model(1), step: 1, key: "k").get()
        #expect(try session.model(of: "main").count == 1)
    }

    @Test func aReportsKeyIsRecordedAndAnotherReportUnderItRefused() throws {
        let session = try session()
        let first = try session.report(2, epoch: 1, key: "k").get()
        #expect(session.report(2, epoch: 1, key: "k") == .success(first))
        #expect(
            session.report(2, epoch: 1, key: "k", body: [2])
                == .failure(.idempotencyKeyReused(key: "k")))
        #expect(session.stateText.contains(#""revision":1,"#))
    }

    @Test func stepsAreRememberedForAsManyTrainersAsAllowed() throws {
        var limits = Limits()
        limits.trainers = 2
        let session = try session(limits)
        _ = try session.upload(model(1), step: 1, trainer: "a").get()
        _ = try session.upload(model(1), step: 1, trainer: "b").get()
        guard case .failure(.quotaExceeded) = session.upload(model(1), step: 1, trainer: "c")
        else {
            Issue.record("taken")
            return
        }
        // Who gives no step is not remembered.
        _ = try session.upload(model(1), trainer: "c").get()
        _ = try session.upload(model(1), step: 2, trainer: "a").get()
    }

    @Test func beyondTheQueuesLimitUploadsAndReportsAreRefused() throws {
        var limits = Limits()
        limits.queuedUploads = 2
        let session = try session(limits)
        let uploads = try (0..<2).map { _ in try session.admitted(FakeClient()) }
        #expect(session.upload(model(1)) == .failure(.tooManyUploads(limit: 2, in: .session)))
        #expect(session.report(1) == .failure(.tooManyUploads(limit: 2, in: .session)))
        for upload in uploads { upload.abort() }
    }

    @Test func aSessionTakesOnlySoManyReports() throws {
        var limits = Limits()
        limits.reports = 2
        let session = try session(limits)
        for _ in 0..<2 { _ = try session.report(1).get() }
        guard case .failure(.quotaExceeded) = session.report(1) else {
            Issue.record("taken")
            return
        }
    }
}
