import ServiceLimits
import Synchronization
import Testing

@testable import Sessions

/// Readers of older revisions, and the uploads that wait for them.
@Suite struct ReaderTests {
    private let sessions: TestSessions
    private let session: Session

    init() throws {
        var limits = Limits()
        limits.pinnedRevisions = 2
        limits.readRate = 100
        limits.leaseWindow = .seconds(10)
        sessions = try TestSessions(limits)
        session = try sessions.create(#"{"rule":{"name":"latest"}}"#)
    }

    /// Uploads models 1 to `count`, each of which is read from then on.
    private func readers(_ count: Int) throws -> [PublishedModel] {
        try (1...count).map { value in
            _ = try session.upload(model(Float(value))).get()
            return try session.model(of: "main")
        }
    }

    @Test func anUploadWaitsForAReaderBeyondTheBound() throws {
        var readers = try readers(4)
        let client = FakeClient()
        let upload = try session.admitted(client, length: model(5).count)
        client.push(model(5), to: upload)
        upload.finish(fingerprint: nil)
        client.runLane()
        #expect(client.answer == nil)
        // The published one, the two before it, and the oldest, which is one too many.
        #expect(try session.slotCount() == 4)
        #expect(try session.values() == [4])
        readers.removeFirst()
        _ = try client.result().get()
        #expect(try session.values() == [5])
        #expect(try session.slotCount() == 4)
        for (reader, value) in zip(readers, [2, 3, 4] as [Float]) {
            #expect(reader.bytes(of: reader.layout.entries[0]).load(as: Float.self) == value)
        }
    }

    @Test func anUploadThatWaitsForReadersMayLeave() throws {
        let readers = try readers(4)
        let client = FakeClient()
        try session.admitted(client).abort()
        #expect(session.state.withLock { $0.queue.count } == 0)
        let waiting = try session.admitted(client)
        try sessions.delete()
        #expect(client.answer == .failure(.sessionNotFound(session: "s")))
        withExtendedLifetime((readers, waiting)) {}
    }

    @Test func onlyReadersThatAreTooSlowAreDropped() throws {
        let dropped = Mutex<[Int]>([])
        let start = ContinuousClock.now
        let held = try readers(4).enumerated().map { index, model in
            // The first has 1,000 bytes to read: 10 s, after 10 s that do not count.
            model.read(byteCount: index == 0 ? 1000 : 100_000, since: start) {
                dropped.withLock { $0.append(index) }
            }
        }
        // Nobody waits.
        session.checkReaders(now: start + .seconds(1000))
        #expect(dropped.withLock { $0 } == [])
        let client = FakeClient()
        let upload = try session.admitted(client)
        session.checkReaders(now: start + .seconds(19))
        #expect(dropped.withLock { $0 } == [])
        session.checkReaders(now: start + .seconds(21))
        #expect(dropped.withLock { $0 } == [0])
        upload.abort()
        withExtendedLifetime(held) {}
    }
}
