import Foundation
import ServiceLimits
import TestSupport
import Testing

@testable import Sessions

/// Quotas just below, at and beyond their limit.
@Suite struct QuotaTests {
    private let settings =
        #"{"averages":{"a":{"rule":{"name":"ema"}},"b":{"strategy":"nta","#
        + #""epochs":100},"longer-name":{"rule":{"name":"uniform"}}}}"#

    // MARK: Memory

    /// What the averages of a session come to in files, when every average has its two.
    private func fileBytes() throws -> Int {
        let sessions = try TestSessions()
        let session = try sessions.create(
            settings.replacing(
                "\"strategy\":\"nta\",\"epochs\":100",
                with: "\"rule\":"
                    + "{\"name\":\"polynomial_decay\",\"eta\":0},\"trigger\":{\"name\":\"nta\","
                    + "\"epochs\":100}"))
        // The trigger that never gets a loss starts near the end.
        _ = try session.report(1, epoch: 99).get()
        for _ in 0..<2 { _ = try session.upload(model(1, 2, 3)).get() }
        return try session.fileNames().filter { $0.hasSuffix(".safetensors") }.reduce(0) {
            let attributes = try FileManager.default.attributesOfItem(
                atPath: "\(session.directory)/\($1)")
            return $0 + (attributes[.size] as? Int ?? 0)
        }
    }

    private func isRefused(_ result: Result<String, SessionError>, naming figures: Int...) -> Bool {
        guard case .failure(.insufficientStorage(let detail)) = result else { return false }
        return figures.allSatisfy { detail.contains(" \($0)") }
    }

    @Test func aSessionMayHaveWhatItsFilesComeToAndNoByteLess() throws {
        let need = try fileBytes()
        var limits = Limits()
        for allowed in [need, need + 1] {
            limits.sessionBytes = allowed
            let sessions = try TestSessions(limits)
            let session = try sessions.create(settings)
            for _ in 0..<2 { _ = try session.upload(model(1, 2, 3)).get() }
        }
        limits.sessionBytes = need - 1
        let sessions = try TestSessions(limits)
        let session = try sessions.create(settings)
        for chunk in [Int.max, 7] {
            #expect(isRefused(session.upload(model(1, 2, 3), chunk: chunk), naming: need, need - 1))
        }
        #expect(try session.slotCount() == 0, "refused before memory was taken")
        #expect(session.budgets.models.usedByteCount == 0)
        // A smaller model fits.
        _ = try session.upload(model(1)).get()
    }

    @Test func allSessionsShareABudget() throws {
        let need = try fileBytes()
        var limits = Limits()
        limits.allSessionBytes = 2 * need
        let sessions = try TestSessions(limits)
        let named = try ["s", "t", "u"].map { try sessions.create(settings, name: $0) }
        _ = try named[0].upload(model(1, 2, 3)).get()
        _ = try named[1].upload(model(1, 2, 3)).get()
        #expect(
            isRefused(named[2].upload(model(1, 2, 3)), naming: need, 2 * need, 2 * need))
        #expect(try named[2].slotCount() == 0)
        // Those that have theirs go on.
        for _ in 0..<2 { _ = try named[0].upload(model(1, 2, 3)).get() }
        try sessions.delete("t")
        _ = try named[2].upload(model(1, 2, 3)).get()
        try sessions.delete("u")
        try sessions.delete("s")
        #expect(named[0].budgets.models.usedByteCount == 0)
    }

    @Test func modelsOfBeforeARestartCountEvenBeyondWhatIsAllowedNow() throws {
        let need = try fileBytes()
        let directory = try TemporaryDirectory()
        func withStore(_ allowed: Int, _ work: (SessionStore) throws -> Void) throws {
            var limits = Limits()
            limits.allSessionBytes = allowed
            let store = try SessionStore.open(in: directory, limits)
            try work(store)
            store.close()
        }
        func create(_ name: String, in store: SessionStore) throws {
            let settings = try SessionSettings(json(settings), maximumAverages: 32)
            _ = try awaited {
                store.create(name, settings: settings, owner: nil, answer: $0)
            }.get()
        }
        try withStore(need) { store in
            for name in ["s", "t"] { try create(name, in: store) }
            _ = try store.session("s").upload(model(1, 2, 3)).get()
        }
        for allowed in [2 * need - 1, need - 1] {
            try withStore(allowed) { store in
                #expect(
                    isRefused(
                        try store.session("t").upload(model(1, 2, 3)), naming: need, allowed, need))
                _ = try store.session("s").upload(model(1, 2, 3)).get()
            }
        }
        try withStore(2 * need) { store in
            _ = try store.session("t").upload(model(1, 2, 3)).get()
        }
    }

    @Test func aFirstUploadThatFailsKeepsNothing() throws {
        let sessions = try TestSessions()
        let session = try sessions.create(settings)
        guard case .failure(.nonFinite) = session.upload(model(.nan)) else {
            Issue.record("taken")
            return
        }
        #expect(session.budgets.models.usedByteCount == 0)
        let client = FakeClient()
        let upload = try session.admitted(client, length: model(1, 2).count)
        client.push(Array(model(1, 2).dropLast()), to: upload)
        client.runLane()
        #expect(session.budgets.models.usedByteCount > 0)
        upload.abort()
        #expect(session.budgets.models.usedByteCount == 0)
    }

    @Test func aDeletionDuringTheFirstUploadGivesTheMemoryBackOnce() throws {
        let sessions = try TestSessions()
        let session = try sessions.create(settings)
        let client = FakeClient()
        let upload = try session.admitted(client, length: model(1, 2).count)
        client.push(Array(model(1, 2).dropLast()), to: upload)
        client.runLane()
        try sessions.delete()
        client.runLane()
        upload.abort()
        #expect(session.budgets.models.usedByteCount == 0)
    }

    // MARK: Sessions of an identity

    @Test func anIdentityMayCreateSoManyAlsoAfterARestart() throws {
        var limits = Limits()
        limits.sessionsPerIdentity = 2
        limits.sessions = 6
        let directory = try TemporaryDirectory()
        func start() throws -> SessionStore { try .open(in: directory, limits) }
        func create(_ name: String, _ owner: String?, in store: SessionStore) throws -> Bool {
            let settings = try SessionSettings(
                json(#"{"rule":{"name":"ema"}}"#), maximumAverages: 1)
            let result = awaited {
                store.create(name, settings: settings, owner: owner, answer: $0)
            }
            switch result {
            case .success: return true
            case .failure(.quotaExceeded): return false
            case .failure(let error): throw error
            }
        }
        do {
            let store = try start()
            #expect(try create("a1", "ann", in: store))
            #expect(try create("a2", "ann", in: store))
            #expect(try !create("a3", "ann", in: store))
            #expect(try create("a2", "ann", in: store), "what is there is found beyond a quota")
            #expect(try create("b1", "bob", in: store))
            #expect(try create("n1", nil, in: store))
            try awaited { store.delete("a1", answer: $0) }.get()
            #expect(try create("a4", "ann", in: store))
            store.close()
        }
        do {
            let store = try start()
            #expect(try !create("a5", "ann", in: store))
            #expect(try create("b2", "bob", in: store))
            #expect(try store.session("a2").owner == "ann")
            #expect(try store.session("n1").owner == nil)
            #expect(try create("n2", nil, in: store))
            #expect(try !create("n3", nil, in: store), "all in all there are too many")
            store.close()
        }
        try FileManager.default.removeItem(atPath: directory("run"))
        let store = try start()
        #expect(try !create("b3", "bob", in: store), "nor without the runtime directory")
    }

    // MARK: Uploads in progress

    private func gateLimits(_ uploads: Int, _ ofIdentity: Int = 100) -> Limits {
        var limits = Limits()
        limits.uploads = uploads
        limits.uploadsPerIdentity = ofIdentity
        return limits
    }

    private func begin(
        _ session: Session, _ identity: String? = nil, _ client: FakeClient = FakeClient()
    ) -> Upload? {
        let request = Session.request(length: model(1).count, identity: identity)
        guard case .admitted(let upload) = session.admit(request, client: client) else {
            return nil
        }
        return upload
    }

    @Test func uploadsOfAllSessionsCount() throws {
        let sessions = try TestSessions(gateLimits(2))
        let session = try sessions.create(settings)
        let other = try sessions.create(settings, name: "t")
        let first = try #require(begin(session))
        // Cached weights count too, until they are there.
        let writer = try other.beginCached(contentType: "a/b", identity: nil)
        let expected = SessionError.tooManyUploads(limit: 2, in: .service)
        #expect(other.upload(model(1)) == .failure(expected))
        #expect(throws: expected) { try other.beginCached(contentType: "a/b", identity: nil) }
        _ = try awaited { other.storeCached(writer, for: "default", answer: $0) }.get()
        for _ in 0..<3 { _ = try other.upload(model(1)).get() }
        first.abort()
        #expect(begin(session) != nil)
    }

    @Test func anIdentityHasSoManyInAllSessions() throws {
        let sessions = try TestSessions(gateLimits(10, 2))
        let session = try sessions.create(settings)
        let other = try sessions.create(settings, name: "t")
        var held = [begin(session, "ann"), begin(other, "ann")]
        #expect(held.allSatisfy { $0 != nil })
        #expect(begin(session, "ann") == nil)
        held += [begin(session, "bob"), begin(session), begin(session), begin(session)]
        #expect(held.allSatisfy { $0 != nil })
        held[1]?.abort()
        #expect(begin(session, "ann") != nil)
        for upload in held { upload?.abort() }
    }

    @Test func everyEndGivesThePlaceBackBeforeTheAnswer() throws {
        let sessions = try TestSessions(gateLimits(1))
        let session = try sessions.create(settings)
        func next() throws { _ = try session.upload(model(2)).get() }
        let client = FakeClient()
        let whole = try #require(begin(session, nil, client))
        client.push(model(1), to: whole)
        whole.finish(fingerprint: nil)
        _ = try client.result().get()
        // The upload is still there, but not in progress.
        try withExtendedLifetime(whole) { try next() }
        #expect(session.upload([1, 2, 3]) != .success(""))
        try next()
        guard case .failure(.nonFinite) = session.upload(model(.infinity)) else {
            Issue.record("taken")
            return
        }
        try next()
        // A known step is answered although the service is full.
        _ = try session.upload(model(2), step: 1).get()
        let held = try #require(begin(session))
        _ = try session.upload(model(2), step: 1).get()
        held.abort()
        try next()
        let unstarted = try sessions.create(
            #"{"strategy":"alpha_suffix","epochs":10}"#, name: "t")
        let waiting = try #require(begin(session))
        _ = try unstarted.upload(model(1)).get()
        waiting.abort()
        let lastClient = FakeClient()
        let last = try #require(begin(session, nil, lastClient))
        let other = try sessions.create(settings, name: "u")
        try sessions.delete()
        lastClient.runLane()
        _ = try other.upload(model(1)).get()
        withExtendedLifetime(last) {}
    }
}
