import Dispatch
import Glibc
import ServiceLimits
import Synchronization
import Testing

@testable import Sessions

/// Waiting for a change, and the trainers' cached weights.
@Suite final class WaiterTests {
    private let sessions: TestSessions
    private let session: Session

    init() throws {
        var limits = Limits()
        limits.waiters = 2
        limits.cachedBytes = 10
        limits.trainers = 2
        sessions = try TestSessions(limits)
        session = try sessions.create(
            #"{"averages":{"a":{"rule":{"name":"latest"}},"#
                + #""b":{"strategy":"alpha_suffix","epochs":9}}}"#)
        _ = try session.upload(model(1)).get()
    }

    private func wait(
        _ woken: Counter, since revision: Int = 1, atMost time: Duration = .seconds(3600)
    ) throws -> Int? {
        try session.wait(for: "a", changedSince: revision, atMost: time) { woken.add() }
    }

    final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        var count: Int { value.load(ordering: .relaxed) }
        func add() { value.add(1, ordering: .relaxed) }
    }

    @Test func aWaiterIsWokenOnceByAChangeOfItsAverage() throws {
        let woken = Counter()
        let token = try #require(try wait(woken))
        _ = try session.report(1).get()
        #expect(woken.count == 0)
        _ = try session.upload(model(2)).get()
        #expect(woken.count == 1)
        _ = try session.upload(model(3)).get()
        #expect(woken.count == 1)
        session.endWait(token)
        #expect(woken.count == 1)
    }

    @Test func whatHasChangedAlreadyIsNotWaitedFor() throws {
        #expect(try wait(Counter(), since: 0) == nil)
    }

    @Test func aCancelledWaiterIsNotWoken() throws {
        let woken = Counter()
        let token = try #require(try wait(woken))
        session.cancelWait(token)
        _ = try session.upload(model(2)).get()
        session.endWait(token)
        #expect(woken.count == 0)
    }

    @Test func aWaiterIsWokenWhenItsTimeIsOver() throws {
        let other = try #require(try wait(Counter()))
        let semaphore = DispatchSemaphore(value: 0)
        _ = try session.wait(for: "a", changedSince: 1, atMost: .milliseconds(1)) {
            semaphore.signal()
        }
        #expect(semaphore.wait(timeout: .now() + .seconds(60)) == .success)
        // Its place is free again, and the other's is not.
        _ = try wait(Counter())
        #expect(throws: SessionError.self) { _ = try self.wait(Counter()) }
        session.cancelWait(other)
        _ = try wait(Counter())
    }

    @Test func aWaiterIsNotKept() throws {
        weak var woken: Counter?
        for ending in [session.cancelWait, session.endWait] {
            let token: Int?
            do {
                let counter = Counter()
                woken = counter
                token = try wait(counter)
            }
            #expect(woken != nil)
            ending(try #require(token))
            #expect(woken == nil)
        }
    }

    @Test func deletionAndShutdownWake() throws {
        let woken = Counter()
        _ = try wait(woken)
        sessions.store.beginShutdown()
        #expect(woken.count == 1)
        _ = try wait(woken)
        try sessions.delete()
        #expect(woken.count == 2)
        #expect(try wait(woken) == nil)
    }

    @Test func onlySoManyMayWait() throws {
        _ = try wait(Counter())
        _ = try wait(Counter())
        #expect(throws: SessionError.self) { _ = try self.wait(Counter()) }
    }

    // MARK: Cached weights

    private func store(_ count: Int, for trainer: String = "t") throws -> Bool {
        let writer = try session.beginCached(contentType: "a/b", identity: nil)
        try [UInt8](repeating: UInt8(count), count: count).withUnsafeBytes { try writer.write($0) }
        return try awaited { session.storeCached(writer, for: trainer, answer: $0) }.get()
    }

    private func cachedFiles() throws -> Int {
        try session.fileNames().count { $0.hasPrefix("cached.") }
    }

    @Test func weightsAreReplacedWholeAndDropped() throws {
        let revision = try session.model(of: "a").revision
        #expect(try store(3))
        let first = try session.cachedFile(of: "t")
        #expect(try !store(4))
        #expect(try session.cachedFile(of: "t").byteCount == 4)
        // A reader of the first is not disturbed.
        var byte: UInt8 = 0
        #expect(pread(first.fileDescriptor, &byte, 1, 2) == 1)
        #expect(byte == 3)
        #expect(try cachedFiles() == 1)
        try awaited { session.dropCached(of: "t", answer: $0) }.get()
        #expect(try cachedFiles() == 0)
        #expect(throws: SessionError.cachedNotFound(trainer: "t")) {
            try session.cachedFile(of: "t")
        }
        guard
            case .failure(.cachedNotFound) = awaited({ session.dropCached(of: "t", answer: $0) })
        else {
            Issue.record("dropped twice")
            return
        }
        #expect(try session.model(of: "a").revision == revision)
    }

    @Test func theBudgetHoldsForAllAndComesBack() throws {
        #expect(try store(8))
        #expect(throws: SessionError.self) { _ = try self.store(3, for: "u") }
        #expect(try cachedFiles() == 1)
        #expect(session.budgets.cached.usedByteCount == 8)
        try awaited { session.dropCached(of: "t", answer: $0) }.get()
        #expect(session.budgets.cached.usedByteCount == 0)
        #expect(try store(10, for: "u"))
    }

    @Test func onlySoManyTrainersCache() throws {
        #expect(try store(1, for: "a"))
        #expect(try store(1, for: "b"))
        #expect(throws: SessionError.self) { _ = try self.store(1, for: "c") }
        #expect(try !store(1, for: "b"))
        #expect(try cachedFiles() == 2)
    }
}
