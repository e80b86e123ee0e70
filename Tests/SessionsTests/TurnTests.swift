import Dispatch
import ServiceLimits
import Synchronization
import Testing

@testable import Sessions

/// Several uploads and reports of one session at once.
@Suite struct TurnTests {
    private let sessions: TestSessions
    private let session: Session

    init() throws {
        var limits = Limits()
        limits.stagingBytes = 4096
        sessions = try TestSessions(limits)
        session = try sessions.create(#"{"rule":{"name":"uniform"}}"#)
    }

    private func expectTurnIsFree() throws {
        #expect(session.state.withLock { $0.queue.count } == 0)
        #expect(session.budgets.staging.usedByteCount == 0)
        _ = try session.upload(model(1)).get()
    }

    @Test(arguments: [1, 13, 1000])
    func uploadsAreFoldedInTheOrderOfAdmission(chunk: Int) throws {
        // With decay 0.5 the order shows: ((8 + 4)/2 + 2)/2 = 4.
        let session = try sessions.create(UploadTests.half, name: "order")
        let clients = (0..<3).map { _ in FakeClient() }
        let length = model(0).count
        let uploads = try clients.map { try session.admitted($0, length: length) }
        // The bodies end in the opposite order.
        for (index, value) in [(2, 2), (1, 4), (0, 8)] as [(Int, Float)] {
            clients[index].push(model(value), to: uploads[index], chunk: chunk)
            uploads[index].finish(fingerprint: nil)
        }
        for (index, client) in clients.enumerated() {
            #expect(try client.result().get().contains(#""revision":\#(index + 1),"#))
        }
        #expect(try session.values() == [4])
        #expect(session.budgets.staging.usedByteCount == 0)
    }

    @Test func aWaitingBodyIsHeldBackWhenTheBudgetIsSpent() throws {
        let values = [Float](repeating: 3, count: 2000)
        let body = model([TestTensor("w", values)])
        let (first, second) = (FakeClient(), FakeClient())
        let holder = try session.admitted(first)
        let waiting = try session.admitted(second, length: body.count)
        var taken = 0
        while taken < body.count {
            let count = second.offer(
                Array(body[taken..<min(taken + 1000, body.count)]), to: waiting)
            taken += count
            if count < 1000 { break }
        }
        // 4 chunks of 1,000 bytes fit, the fifth does not.
        #expect(taken == 4000)
        #expect(session.budgets.staging.usedByteCount == 4000)
        first.push(model([TestTensor("w", [Float](repeating: 1, count: 2000))]), to: holder)
        holder.finish(fingerprint: nil)
        _ = try first.result().get()
        second.runLane(until: { second.resumes > 0 })
        #expect(session.budgets.staging.usedByteCount == 0)
        second.push(Array(body[taken...]), to: waiting, chunk: 999)
        waiting.finish(fingerprint: nil)
        _ = try second.result().get()
        #expect(try session.values() == [Float](repeating: 2, count: 2000))
    }

    @Test func aBudgetSpentByOneHoldsBackTheNextAndComesBack() throws {
        let clients = (0..<3).map { _ in FakeClient() }
        let uploads = try clients.map { try session.admitted($0, length: 4096) }
        #expect(clients[1].offer([UInt8](repeating: 0, count: 4096), to: uploads[1]) == 4096)
        #expect(clients[2].offer([1], to: uploads[2]) == 0)
        uploads[1].abort()
        #expect(session.budgets.staging.usedByteCount == 0)
        #expect(clients[2].offer([1], to: uploads[2]) == 1)
        for upload in uploads { upload.abort() }
        try expectTurnIsFree()
    }

    @Test func stagingLessThanTheHeaderIsGivenBackAtTheTurn() throws {
        let (first, second) = (FakeClient(), FakeClient())
        let holder = try session.admitted(first)
        let body = model(5)
        let waiting = try session.admitted(second, length: body.count)
        second.push(Array(body[..<20]), to: waiting)
        holder.abort()
        second.runLane(until: { second.resumes > 0 })
        #expect(session.budgets.staging.usedByteCount == 0)
        second.push(Array(body[20...]), to: waiting)
        waiting.finish(fingerprint: nil)
        _ = try second.result().get()
        #expect(try session.values() == [5])
    }

    @Test func anEmptyBodyThatWaitedIsRefusedAtItsTurn() throws {
        let (first, second) = (FakeClient(), FakeClient())
        let holder = try session.admitted(first)
        let waiting = try session.admitted(second, length: 0)
        waiting.finish(fingerprint: nil)
        holder.abort()
        guard case .failure(.model) = second.result() else {
            Issue.record("not refused")
            return
        }
        try expectTurnIsFree()
    }

    @Test func aLargeBodyIsStagedOnlyWhenTheHolderIsSlow() throws {
        var limits = Limits()
        limits.stagedAtOnceBytes = 10
        let sessions = try TestSessions(limits)
        let session = try sessions.create(#"{"rule":{"name":"latest"}}"#)
        let (first, second) = (FakeClient(), FakeClient())
        let holder = try session.admitted(first)
        let waiting = try session.admitted(second, length: model(5).count)
        #expect(second.offer(model(5), to: waiting) == 0)
        session.checkPace()
        #expect(second.resumes == 0)
        // Nothing came from the holder between two looks.
        session.checkPace()
        #expect(second.resumes == 1)
        #expect(second.offer(Array(model(5)[..<20]), to: waiting) == 20)
        #expect(session.budgets.staging.usedByteCount == 20)
        holder.abort()
        second.runLane(until: { second.resumes > 1 })
        second.push(Array(model(5)[20...]), to: waiting)
        waiting.finish(fingerprint: nil)
        _ = try second.result().get()
        #expect(try session.values() == [5])
    }

    // MARK: Leaving

    enum Moment: CaseIterable {
        case waiting, staged, turnJustCame, inHeader, allocating, inData, workingOnStaged
    }

    /// An upload of `body` that stands at `moment`; once its turn has come, the holder before it is
    /// gone.
    private func begin(
        _ body: [UInt8], by client: FakeClient, until moment: Moment
    ) throws -> (holder: Upload, upload: Upload) {
        let holder = try session.admitted(FakeClient())
        let upload = try session.admitted(client, length: body.count)
        if moment == .staged || moment == .workingOnStaged { client.push(body, to: upload) }
        if moment != .waiting, moment != .staged {
            holder.abort()
            client.waitForLaneWork()
            if moment != .turnJustCame { client.runLane() }
        }
        switch moment {
        case .inHeader: client.push(Array(body[..<30]), to: upload)
        case .allocating: _ = client.offer(Array(body[..<(body.count - 400)]), to: upload)
        case .inData: client.push(Array(body[..<(body.count - 30)]), to: upload)
        default: break
        }
        return (holder, upload)
    }

    @Test(arguments: Moment.allCases, [true, false])
    func anAbortAtAnyMomentLeavesNoTrace(moment: Moment, hasLayout: Bool) throws {
        let values = [Float](repeating: 7, count: 100)
        let body = model([TestTensor("w", values)])
        if hasLayout { _ = try session.upload(body).get() }
        let before = session.stateText
        let client = FakeClient()
        let (holder, upload) = try begin(body, by: client, until: moment)
        upload.abort()
        holder.abort()
        // A Dispatch thread may be at work; it gives its slots back when it is done.
        client.runLane(until: { session.state.withLock { $0.queue.isEmpty } })
        #expect(client.answer == nil)
        #expect(session.stateText == before)
        #expect(session.budgets.staging.usedByteCount == 0)
        _ = try session.upload(body).get()
        #expect(try session.values() == values)
    }

    @Test(arguments: Moment.allCases)
    func aDeletionAtAnyMomentAnswersAndFreesEverything(moment: Moment) throws {
        let body = model([TestTensor("w", [Float](repeating: 7, count: 100))])
        let client = FakeClient()
        let (_, upload) = try begin(body, by: client, until: moment)
        try sessions.delete()
        #expect(client.answer == .failure(.sessionNotFound(session: "s")))
        client.runLane(until: { session.budgets.staging.usedByteCount == 0 })
        // The rest is taken and dropped, and its end has no effect.
        client.runLane()
        upload.finish(fingerprint: nil)
        #expect(client.answer == .failure(.sessionNotFound(session: "s")))
        #expect(session.upload(model(1)) == .failure(.sessionNotFound(session: "s")))
        #expect(throws: SessionError.sessionNotFound(session: "s")) {
            try session.model(of: "main")
        }
    }

    @Test func readersOfADeletedSessionFinish() throws {
        _ = try session.upload(model(5)).get()
        let reader = try session.model(of: "main")
        try sessions.delete()
        let bytes = reader.bytes(of: reader.layout.entries[0])
        #expect(bytes.load(as: Float.self) == 5)
        #expect(throws: SessionError.sessionNotFound(session: "s")) {
            try sessions.store.session("s")
        }
        // The name is free.
        let next = try sessions.create(#"{"rule":{"name":"latest"}}"#)
        #expect(next.incarnation != session.incarnation)
    }

    // MARK: Reports among uploads

    @Test func aReportWaitsForTheUploadBeforeIt() throws {
        let client = FakeClient()
        let upload = try session.admitted(client)
        let answered = Mutex<String?>(nil)
        let done = DispatchSemaphore(value: 0)
        session.report(Report(epoch: 1, loss: 1), key: nil, fingerprint: nil) { result in
            answered.withLock { $0 = try? String(decoding: result.get(), as: UTF8.self) }
            done.signal()
        }
        #expect(answered.withLock { $0 } == nil)
        client.push(model(1), to: upload)
        upload.finish(fingerprint: nil)
        #expect(try client.result().get().contains(#""revision":1,"#))
        done.wait()
        #expect(answered.withLock { $0 }?.contains(#""revision":2,"#) == true)
    }

    @Test func anUploadIsDecidedAtItsTurnNotAtItsAdmission() throws {
        let session = try sessions.create(
            #"{"averages":{"now":{"rule":{"name":"uniform"}},"late":{"rule":{"name":"uniform"},"#
                + #""trigger":{"name":"alpha_suffix","epochs":1,"alpha":0}}}}"#,
            name: "decided")
        let (first, second) = (FakeClient(), FakeClient())
        let holder = try session.admitted(first)
        session.report(Report(epoch: 1, loss: nil), key: nil, fingerprint: nil) { _ in }
        let waiting = try session.admitted(second, length: model(2).count)
        second.push(model(2), to: waiting)
        waiting.finish(fingerprint: nil)
        first.push(model(4), to: holder)
        holder.finish(fingerprint: nil)
        _ = try first.result().get()
        _ = try second.result().get()
        #expect(try session.values(of: "now") == [3])
        #expect(try session.values(of: "late") == [2])
    }

    @Test func anUploadBehindAReportThatStartsNothingIsNotNeeded() throws {
        let session = try sessions.create(
            #"{"strategy":"alpha_suffix","epochs":10,"alpha":0.5,"durability":"disk"}"#,
            name: "idle")
        let client = FakeClient()
        let reported = DispatchSemaphore(value: 0)
        session.report(Report(epoch: 1, loss: nil), key: nil, fingerprint: nil) { _ in
            reported.signal()
        }
        switch session.admit(Session.request(length: model(1).count), client: client) {
        case .admitted(let upload):
            client.push(model(1), to: upload)
            upload.finish(fingerprint: nil)
            #expect(try client.result().get().contains(#""applied":false"#))
            #expect(!upload.wantsBody)
        case .notStarted: break
        default: Issue.record("refused")
        }
        reported.wait()
        #expect(session.budgets.staging.usedByteCount == 0)
    }
}
