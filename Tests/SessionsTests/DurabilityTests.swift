import ServiceLimits
import Storage
import Testing

@testable import Sessions

/// The copy in the data directory.
@Suite struct DurabilityTests {
    private let sessions: TestSessions

    init() throws { sessions = try TestSessions() }

    private func record(of session: Session) throws -> DurableRecord {
        let bytes = try RecordFile.read(
            DurableCopy.recordPath(in: session.durableCopy.directory))
        return try DurableRecord(bytes: bytes, limits: Limits())
    }

    private func store(
        _ bytes: [UInt8], in session: Session, for trainer: String = "default"
    ) throws -> Bool {
        let writer = try session.beginCached(contentType: "a/b", identity: nil)
        try bytes.withUnsafeBytes { try writer.write($0) }
        return try awaited { session.storeCached(writer, for: trainer, answer: $0) }.get()
    }

    private func file(_ file: DurableCopy.File, of session: Session) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: file.byteCount)
        try bytes.withUnsafeMutableBytes { buffer in
            try CheckpointFile.read(
                "\(session.durableCopy.directory)/\(file.name)", byteCount: file.byteCount,
                checksums: file.checksums, into: buffer)
        }
        return bytes
    }

    @Test func aCheckpointIsOneRevisionWhole() throws {
        let session = try sessions.create(UploadTests.half)
        _ = try session.upload(model(1), step: 4).get()
        _ = try store([1, 2, 3], in: session)
        try session.checkpoint()
        let first = try record(of: session)
        #expect(first.contents.revision == 1)
        #expect(first.record.ledger.steps["default"]?.step == 4)
        let model1 = try session.model(of: "main")
        let copy = try file(try #require(first.contents.averages[0]?.file), of: session)
        #expect(
            copy == Array(UnsafeRawBufferPointer(start: model1.base, count: model1.byteCount)))
        #expect(try file(try #require(first.contents.cached[1]), of: session) == [1, 2, 3])

        // The next goes to the other file, so that the first is whole until it is replaced.
        _ = try session.upload(model(3)).get()
        try session.checkpoint()
        let second = try record(of: session)
        #expect(second.contents.revision == 2)
        #expect(second.contents.averages[0]?.file.name != first.contents.averages[0]?.file.name)
        #expect(try file(try #require(first.contents.averages[0]?.file), of: session) == copy)
    }

    @Test func cachedWeightsAloneAreWorthACheckpoint() throws {
        let session = try sessions.create(UploadTests.half)
        try session.checkpoint()
        _ = try store([1], in: session)
        try session.checkpoint()
        #expect(try record(of: session).contents.cached.keys.sorted() == [1])
        _ = try store([2, 2], in: session)
        try session.checkpoint()
        #expect(try record(of: session).contents.cached.keys.sorted() == [2])
    }

    @Test func withDiskEveryAnswerIsInTheDataDirectoryBefore() throws {
        let session = try sessions.create(
            #"{"rule":{"name":"uniform"},"durability":"disk"}"#)
        #expect(try record(of: session).contents.revision == 0)
        _ = try session.upload(model(1)).get()
        #expect(try record(of: session).contents.revision == 1)
        _ = try session.report(1).get()
        #expect(try record(of: session).contents.revision == 2)
        #expect(try record(of: session).contents.averages[0]?.changedRevision == 1)
        #expect(session.stateText.contains(#""durable_revision":2"#))
    }

    @Test func withDiskCachedWeightsAreInTheDataDirectoryToo() throws {
        let session = try sessions.create(
            #"{"rule":{"name":"uniform"},"durability":"disk"}"#)
        _ = try store([7, 8], in: session)
        let saved = try record(of: session)
        #expect(saved.record.cached["default"]?.file == 1)
        #expect(try file(try #require(saved.contents.cached[1]), of: session) == [7, 8])
        try awaited { session.dropCached(of: "default", answer: $0) }.get()
        #expect(try record(of: session).contents.cached.isEmpty)
        #expect(try record(of: session).record.cached.isEmpty)
    }

    @Test func aCheckpointDoesNotReplaceWhatIsAboutToBeAcknowledged() throws {
        let session = try sessions.create(
            #"{"rule":{"name":"uniform"},"durability":"disk"}"#)
        _ = try session.upload(model(1)).get()
        let client = FakeClient()
        let upload = try session.admitted(client)
        client.push(model(3), to: upload)
        upload.finish(fingerprint: nil)
        // Revision 2 is written, its commit still waits for the lane.
        client.waitForLaneWork()
        #expect(try record(of: session).contents.revision == 2)
        try session.checkpoint()
        #expect(try record(of: session).contents.revision == 2)
        _ = try client.result().get()
        #expect(try record(of: session).contents.revision == 2)
    }

    @Test func aDeletedSessionIsGoneFromTheDataDirectory() throws {
        let session = try sessions.create(UploadTests.half)
        try session.checkpoint()
        try sessions.delete()
        #expect(throws: StorageError.self) { try record(of: session) }
        // A checkpoint that comes too late brings nothing back.
        try session.checkpoint()
        #expect(throws: StorageError.self) { try record(of: session) }
    }
}
