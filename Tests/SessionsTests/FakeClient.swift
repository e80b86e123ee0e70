import Dispatch
import Sessions
import TestSupport
import Testing

/// The exchange of an upload: a lane that the test runs by hand.
final class FakeClient: UploadClient {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var resumes = 0
        var answer: Result<String, SessionError>?
    }

    private let state = Guarded(State())
    private let arrival = DispatchSemaphore(value: 0)

    func onLane(_ work: @escaping @Sendable () -> Void) {
        state.withLock { $0.work.append(work) }
        arrival.signal()
    }

    func turnCame() {}

    func resumeBody() { state.withLock { $0.resumes += 1 } }

    func answer(_ result: Result<[UInt8], SessionError>) {
        state.withLock { state in
            // The first counts.
            state.answer =
                state.answer ?? result.map { String(decoding: $0, as: UTF8.self) }
        }
        arrival.signal()
    }

    var resumes: Int { state.withLock { $0.resumes } }

    var answer: Result<String, SessionError>? { state.withLock { $0.answer } }

    var hasLaneWork: Bool { state.withLock { !$0.work.isEmpty } }

    /// Runs what waits for the lane now.
    func runLane() {
        while let work = takeWork() { work() }
    }

    /// Runs lane work as it comes until `condition` holds.
    func runLane(until condition: () -> Bool) {
        while true {
            runLane()
            if condition() { return }
            guard arrival.wait(timeout: .now() + .seconds(60)) == .success else {
                Issue.record("nothing happened for 60 s")
                return
            }
        }
    }

    /// Waits until a Dispatch thread hands work to the lane, without running it.
    func waitForLaneWork() {
        while !hasLaneWork {
            guard arrival.wait(timeout: .now() + .seconds(60)) == .success else {
                Issue.record("nothing happened for 60 s")
                return
            }
        }
    }

    private func takeWork() -> (@Sendable () -> Void)? {
        state.withLock { $0.work.isEmpty ? nil : $0.work.removeFirst() }
    }

    /// Pushes bytes as the wire does: what is not taken again after the next resume.
    func push(_ bytes: [UInt8], to upload: Upload, chunk: Int = .max) {
        bytes.withUnsafeBytes { bytes in
            var position = 0
            while position < bytes.count {
                let end = position + min(chunk, bytes.count - position)
                while position < end, answer == nil {
                    let seen = resumes
                    position += upload.receive(
                        UnsafeRawBufferPointer(rebasing: bytes[position..<end]))
                    if position < end { runLane(until: { resumes > seen || answer != nil }) }
                }
                if answer != nil { return }
            }
        }
    }

    /// Pushes once; answers how much was taken.
    func offer(_ bytes: [UInt8], to upload: Upload) -> Int {
        bytes.withUnsafeBytes { upload.receive($0) }
    }

    /// Runs the lane until the upload is answered.
    func result() -> Result<String, SessionError> {
        runLane(until: { answer != nil })
        // What the answer left for the lane.
        runLane()
        return answer ?? .failure(.storageFailed(detail: "the upload was not answered"))
    }

}

extension Session {
    /// An upload's request; the fingerprint is that of `keyedBody`.
    static func request(
        step: Int? = nil, trainer: String = "default", key: String? = nil, length: Int? = nil,
        identity: String? = nil
    ) -> UploadRequest {
        UploadRequest(
            trainer: trainer, step: step, idempotencyKey: key, fingerprintHead: "POST",
            bodyByteCount: length, identity: identity)
    }

    /// Admits an upload that must be admitted.
    func admitted(
        _ client: FakeClient, step: Int? = nil, trainer: String = "default", key: String? = nil,
        length: Int? = nil
    ) throws -> Upload {
        let request = Session.request(step: step, trainer: trainer, key: key, length: length)
        guard case .admitted(let upload) = admit(request, client: client) else {
            throw NotAdmitted()
        }
        return upload
    }

    struct NotAdmitted: Error {}

    /// A whole upload and its answer; with a recorded one, that.
    func upload(
        _ body: [UInt8], step: Int? = nil, trainer: String = "default", key: String? = nil,
        chunk: Int = .max, announced: Bool = true
    ) -> Result<String, SessionError> {
        let client = FakeClient()
        let request = Session.request(
            step: step, trainer: trainer, key: key, length: announced ? body.count : nil)
        switch admit(request, client: client) {
        case .refused(let error): return .failure(error)
        case .answered(let answer), .notStarted(let answer), .compare(_, let answer):
            return .success(String(decoding: answer, as: UTF8.self))
        case .admitted(let upload):
            client.push(body, to: upload, chunk: chunk)
            if client.answer == nil {
                upload.finish(fingerprint: key.map { _ in .sha256([1]) })
            }
            return client.result()
        }
    }
}
