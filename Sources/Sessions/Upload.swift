import Averaging
import Dispatch
import ServiceLimits
import Synchronization
import TensorFormats

/// The exchange behind an upload, as the sessions layer sees it. Every method from any thread.
public protocol UploadClient: AnyObject, Sendable {
    /// Runs `work` on the lane that pushes the body, after what runs there now.
    func onLane(_ work: @escaping @Sendable () -> Void)
    /// Pushes the body on, from where `Upload.receive` left it.
    func resumeBody()
    /// The upload's turn has come: its body is folded as fast as it comes.
    func turnCame()
    /// The upload's answer: a JSON body for 200, or why not. Called once or more; the first counts.
    func answer(_ result: Result<[UInt8], SessionError>)
}

/// An admitted upload: body bytes in, one fold and one answer out.
///
/// `receive`, `finish` and `abort` are called on the client's lane, and everything else runs there
/// too, except memory allocation and staged folds, which run on Dispatch while the phase is
/// `working` and the body is paused: hence `@unchecked Sendable`.
public final class Upload: @unchecked Sendable, Turn {
    private enum Phase {
        /// Others are before it; what arrives is staged.
        case waiting
        case readingHeader
        /// A Dispatch thread has the job.
        case working
        case folding
        /// The body is not wanted: nothing has started, or it failed and was answered.
        case dropping
        case ended
    }

    let request: UploadRequest
    private let session: Session
    private let client: any UploadClient
    private var phase: Phase
    private var job: FoldJob?
    private var decoder: SafetensorsDecoder
    /// Bytes of the data section folded so far.
    private var dataPosition = 0
    /// Given back before the answer, so that the client's next upload finds its place.
    private var permit: UploadPermit?
    private let stagingBudget: ByteBudget
    private var staging: StagingBuffer?
    /// The model's file, of an upload by reference, from the end of the body to the fold's.
    private var reference: ModelReference?
    private var isByReference = false
    private var isBodyComplete = false
    private var isAborted = false
    private var fingerprint: RequestFingerprint.Body?
    /// The change that is being written to the data directory.
    private var sealed: SessionChange?
    /// The answer that waits for the end of a body nobody needs.
    private var droppedAnswer: [UInt8]?
    /// Body bytes taken, and whether the service is the one that pauses: read by the lease's timer.
    let receivedByteCount = Atomic<Int>(0)
    let isPaused = Atomic<Bool>(false)

    /// - Parameter previous: the header of the session's last upload; most are equal.
    init(
        session: Session, request: UploadRequest, client: any UploadClient,
        permit: UploadPermit, limits: Limits, stagingBudget: ByteBudget,
        previous: SafetensorsHeader?
    ) {
        self.session = session
        self.permit = permit
        self.request = request
        self.client = client
        self.stagingBudget = stagingBudget
        phase = .waiting
        decoder = SafetensorsDecoder(
            limits: SafetensorsLimits(limits), bodyByteCount: request.bodyByteCount,
            reusing: previous)
    }

    // MARK: The body, on the lane

    /// Takes bytes of the body; fewer than given pause it (as `BodySink.receive`).
    public func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        let taken = take(chunk)
        receivedByteCount.add(taken, ordering: .relaxed)
        isPaused.store(taken < chunk.count, ordering: .relaxed)
        return taken
    }

    /// Whether the body is still looked at. On the lane.
    public var wantsBody: Bool {
        switch phase {
        case .waiting, .readingHeader, .working, .folding: true
        case .dropping, .ended: false
        }
    }

    private func take(_ chunk: UnsafeRawBufferPointer) -> Int {
        switch phase {
        case .waiting: return stage(chunk) ? chunk.count : 0
        case .working: return 0
        case .dropping, .ended: return chunk.count
        case .readingHeader, .folding: break
        }
        do throws(SessionError) {
            return try consume(chunk)
        } catch {
            fail(error)
            return chunk.count
        }
    }

    private func stage(_ chunk: UnsafeRawBufferPointer) -> Bool {
        guard session.stages(bodyByteCount: request.bodyByteCount) else { return false }
        if staging == nil {
            staging = StagingBuffer(announced: request.bodyByteCount, budget: stagingBudget)
        }
        return staging?.append(chunk) ?? false
    }

    /// The body is complete. `fingerprint` is given when the request has an idempotency key.
    public func finish(fingerprint: RequestFingerprint.Body?) {
        isBodyComplete = true
        self.fingerprint = fingerprint
        switch phase {
        case .readingHeader, .folding: commit()
        case .dropping: answerDropped()
        case .waiting, .working, .ended: break
        }
    }

    /// The body is complete, and says where the model lies instead of containing it. None of it was
    /// given to `receive`.
    public func finish(reading reference: ModelReference, fingerprint: RequestFingerprint.Body?) {
        isByReference = true
        self.reference = reference
        guard phase == .readingHeader else { return finish(fingerprint: fingerprint) }
        isBodyComplete = true
        self.fingerprint = fingerprint
        fold(reference)
    }

    /// The body will not be completed. Leaves no trace.
    public func abort() {
        switch phase {
        case .ended: break
        // The Dispatch thread still writes the slots: they are given back when it is done.
        case .working: isAborted = true
        default: end()
        }
    }

    // MARK: Turns

    /// The session stages bodies that wait from now on.
    func pushOn() {
        client.resumeBody()
    }

    func begin() {
        client.onLane { self.takeTurn() }
    }

    func sessionDeleted() {
        client.answer(.failure(.sessionNotFound(session: session.name)))
        client.onLane { self.abort() }
    }

    /// The session's timer found the sender too slow while others wait.
    func leaseExpired(_ error: SessionError) {
        client.onLane { [self] in
            if phase == .readingHeader || phase == .folding { fail(error) }
        }
    }

    /// Decides the upload, whose turn it is. On the lane.
    ///
    /// - Parameter resumes: the body was paused, and is to be pushed on.
    func takeTurn(resumes: Bool = true) {
        guard phase == .waiting else { return }
        switch session.decide(self) {
        case .refused(let error): fail(error)
        case .notStarted(let answer):
            phase = .dropping
            droppedAnswer = answer
            staging = nil
            reference = nil
            session.endTurn(self, unused: nil)
            if isBodyComplete { answerDropped() } else if resumes { client.resumeBody() }
        // What comes meanwhile is staged, as before the turn.
        case .wait: break
        case .fold(let job):
            self.job = job
            phase = .readingHeader
            client.turnCame()
            if let reference {
                fold(reference)
            } else if staging != nil {
                foldStaged()
            } else if isBodyComplete {
                commit()
            } else if resumes {
                client.resumeBody()
            }
        }
    }

    private func answerDropped() {
        guard let answer = droppedAnswer else { return }
        phase = .ended
        permit = nil
        client.answer(.success(answer))
    }

    // MARK: Folding

    /// Decodes and folds as much as the slots have memory for.
    private func consume(_ chunk: UnsafeRawBufferPointer) throws(SessionError) -> Int {
        var taken = 0
        if phase == .readingHeader {
            taken = try receiveHeader(chunk)
            guard let header = decoder.header, let job else { return taken }
            try job.plan(for: header)
            phase = .folding
        }
        guard let job else { return chunk.count }
        let count = min(chunk.count - taken, job.reservedUpTo - dataPosition)
        try receiveData(UnsafeRawBufferPointer(rebasing: chunk[taken..<taken + count]))
        // What was not taken is pushed again when there is memory for it; a model without elements
        // needs a slot all the same.
        if dataPosition == job.reservedUpTo { allocate() }
        return taken + count
    }

    private func receiveHeader(_ chunk: UnsafeRawBufferPointer) throws(SessionError) -> Int {
        do { return try decoder.receiveHeader(chunk) } catch { throw .model(error) }
    }

    private func receiveData(_ chunk: UnsafeRawBufferPointer) throws(SessionError) {
        guard let job else { return }
        do { try decoder.receiveData(chunk) { job.fold($0) } } catch { throw .model(error) }
        dataPosition += chunk.count
    }

    private func allocate() {
        guard let job else { return }
        let position = dataPosition
        let session = session
        work { () throws(SessionError) in
            try session.claimMemory(for: job)
            try job.allocate(from: position)
        }
    }

    /// Folds what was staged before the turn came; all of it at once in parallel when it is whole.
    private func foldStaged() {
        guard let job else { return }
        let isWhole = isBodyComplete
        work { [self] () throws(SessionError) in
            guard let bytes = staging?.bytes else { return }
            defer { staging = nil }
            let headerEnd = try receiveHeader(bytes)
            guard let header = decoder.header else { return }
            try job.plan(for: header)
            let data = UnsafeRawBufferPointer(rebasing: bytes[headerEnd...])
            try session.claimMemory(for: job)
            try job.allocate(upTo: data.count)
            if isWhole, data.count == header.dataByteCount {
                try checkLength(data)
                try job.foldInParallel(.memory(data))
                dataPosition = data.count
            } else {
                try receiveData(data)
                FoldKernels.fence()
            }
        }
    }

    /// Folds the model that lies elsewhere. After this its file is not touched any more.
    private func fold(_ reference: ModelReference) {
        guard let job else { return }
        work { [self] () throws(SessionError) in
            defer { self.reference = nil }
            let file = try reference.open(session.mappings)
            try file.readHeader(into: &decoder)
            guard let header = decoder.header else { return }
            try job.plan(for: header)
            try session.claimMemory(for: job)
            try job.allocate(upTo: header.dataByteCount)
            try job.foldInParallel(.file(file, offset: header.bytes.count))
            try file.checkUnchanged()
        }
    }

    private func checkLength(_ data: UnsafeRawBufferPointer) throws(SessionError) {
        do { try decoder.receiveData(data) { _ in } } catch { throw .model(error) }
    }

    /// Runs `body` on Dispatch with the body paused, then goes on where the upload stands.
    private func work(_ body: @escaping @Sendable () throws(SessionError) -> Void) {
        phase = .working
        DispatchQueue.global(qos: .userInitiated).async { [self] in
            let result: Result<Void, SessionError>
            do throws(SessionError) {
                result = .success(try body())
            } catch {
                result = .failure(error)
            }
            client.onLane { self.worked(result) }
        }
    }

    private func worked(_ result: Result<Void, SessionError>) {
        guard phase == .working else { return }
        if case .failure(let error) = result { return fail(error) }
        // It lasts already, so it counts, even if the client is gone.
        if let sealed { return publish(sealed) }
        if isAborted { return end() }
        phase = decoder.header == nil ? .readingHeader : .folding
        isBodyComplete ? commit() : client.resumeBody()
    }

    // MARK: The end

    private func commit() {
        do throws(SessionError) {
            // A file that was too short has failed already.
            if !isByReference { do { try decoder.finish() } catch { throw .model(error) } }
            guard let job else { return }
            if let nonFinite = job.nonFinite { throw nonFinite }
            let change = session.seal(job, of: request, fingerprint: fingerprint)
            guard session.settings.durability == .disk else { return publish(change) }
            sealed = change
            let session = session
            work { () throws(SessionError) in
                try session.makeDurable(change, slots: job.sealedSlots)
            }
        } catch {
            fail(error)
        }
    }

    private func publish(_ change: SessionChange) {
        guard let job else { return }
        do throws(SessionError) {
            let answer = try session.commit(self, job, change)
            phase = .ended
            permit = nil
            self.job = nil
            client.answer(.success(answer))
        } catch {
            fail(error)
        }
    }

    private func fail(_ error: SessionError) {
        end()
        client.answer(.failure(error))
    }

    /// Gives the turn, or the place in the queue, back.
    private func end() {
        phase = .ended
        permit = nil
        staging = nil
        reference = nil
        session.endTurn(self, unused: job)
        job = nil
    }
}

extension SafetensorsLimits {
    init(_ limits: Limits) {
        self.init(
            headerBytes: limits.modelHeaderBytes, modelBytes: limits.modelBytes,
            tensors: limits.tensors)
    }
}
