import Averaging
import ServiceLimits
import Synchronization
import TensorFormats

/// What becomes of an upload when its head is known.
public enum UploadAdmission: Sendable {
    case refused(SessionError)
    /// The answer is known without the body.
    case answered([UInt8])
    /// The idempotency key is known: the recorded answer holds if the whole fingerprint is equal.
    case compare(RequestFingerprint, recorded: [UInt8])
    /// No average has started and nothing is before this upload: the body is not needed.
    case notStarted([UInt8])
    /// Its turn is now, or comes; push the body either way.
    case admitted(Upload)
}

/// What an upload is to do when its turn has come.
enum TurnDecision {
    case refused(SessionError)
    case notStarted([UInt8])
    case fold(FoldJob)
}

extension Session {
    /// Decides on an upload by its head; takes its place in the queue.
    public func admit(_ request: UploadRequest, client: any UploadClient) -> UploadAdmission {
        let (admission, hasTurn) = state.withLock { state -> (UploadAdmission, Bool) in
            if let settled = settle(request, in: state) { return (settled, false) }
            if state.queue.isEmpty, !state.hasStartedAverage {
                return (.notStarted(answer(in: state, applied: []).bytes()), false)
            }
            guard state.queue.count < limits.queuedUploads else {
                return (.refused(.tooManyUploads(limit: limits.queuedUploads)), false)
            }
            let upload = Upload(
                session: self, request: request, client: client, limits: limits,
                stagingBudget: stagingBudget, previous: state.lastPlan?.header)
            state.ledger.begin(key: request.idempotencyKey, step: request.stepName)
            state.queue.append(upload)
            return (.admitted(upload), state.queue.count == 1)
        }
        if hasTurn, case .admitted(let upload) = admission { upload.takeTurn() }
        return admission
    }

    /// What the ledger alone decides; nil for an upload that is new.
    private func settle(_ request: UploadRequest, in state: State) -> UploadAdmission? {
        if state.isDeleted { return .refused(deletedError) }
        switch state.ledger.find(key: request.idempotencyKey, step: request.stepName) {
        case .new: break
        case .answeredKey(let known): return .compare(known.fingerprint, recorded: known.answer)
        case .answeredStep(let answer): return .answered(UploadAnswer.duplicate(of: answer))
        case .refused(let error): return .refused(error)
        }
        guard request.step == nil || state.ledger.hasRoom(for: request.trainer) else {
            return .refused(
                .quotaExceeded(
                    detail: "the session remembers the steps of \(limits.trainers) trainers "
                        + "and \"\(request.trainer)\" would be one more"))
        }
        return nil
    }

    /// The turn of `upload` has come: looks again at what may have changed while it waited.
    func decide(_ upload: Upload) -> TurnDecision {
        state.withLock { state in
            guard !state.isDeleted else { return .refused(deletedError) }
            if let step = upload.request.stepName, let last = state.ledger.steps[step.trainer],
                step.step < last.step
            {
                return .refused(
                    .staleStep(trainer: step.trainer, given: step.step, last: last.step))
            }
            guard state.hasStartedAverage else {
                return .notStarted(answer(in: state, applied: []).bytes())
            }
            return .fold(makeJob(&state))
        }
    }

    private func makeJob(_ state: inout State) -> FoldJob {
        var participants: [FoldJob.Participant] = []
        var slotNumbers: [Int] = []
        for index in state.averages.indices where state.averages[index].isStarted {
            let count = state.averages[index].count + 1
            participants.append(
                FoldJob.Participant(
                    average: index, step: state.averages[index].settings.rule.step(count: count),
                    count: count, current: state.averages[index].current,
                    next: state.averages[index].takeSpare(), header: state.averages[index].header))
            slotNumbers.append(state.averages[index].slotsCreated)
            state.averages[index].slotsCreated += 1
        }
        return FoldJob(
            participants: participants, slotNumbers: slotNumbers,
            maker: FoldJob.SlotMaker(
                directory: directory, session: name, settings: settings.averages,
                accumulator: settings.accumulator),
            checksFinite: settings.nonFinite == .refuse, layout: state.layout,
            known: state.lastPlan)
    }

    /// Publishes what `job` folded: the one moment at which an upload takes effect.
    ///
    /// - Returns: the answer's body, recorded under the upload's step and key.
    func commit(
        _ upload: Upload, _ job: FoldJob, fingerprint: RequestFingerprint.Body?
    ) throws(SessionError) -> [UInt8] {
        FoldKernels.fence()
        var after = AfterUnlock()
        let answer = state.withLock { state -> [UInt8]? in
            guard !state.isDeleted else { return nil }
            state.revision += 1
            state.layout = job.layout
            state.lastPlan = job.plan
            for participant in job.participants {
                publish(participant, &state)
            }
            let applied = Set(job.participants.map(\.average))
            let answer = self.answer(in: state, applied: applied).bytes()
            record(answer, of: upload, fingerprint, &state)
            state.leaveQueue(upload, &after)
            wakeWaiters(&state, &after) { applied.contains($0.average) }
            return answer
        }
        after.run()
        guard let answer else { throw deletedError }
        return answer
    }

    private func publish(_ participant: FoldJob.Participant, _ state: inout State) {
        guard let slot = participant.next, let header = participant.header else {
            preconditionFailure("a participant is published without its slot")
        }
        header.patch(
            UnsafeMutableRawBufferPointer(start: slot.base, count: header.byteCount),
            counter: participant.count, revision: state.revision)
        state.averages[participant.average].header = header
        state.averages[participant.average].publish(
            slot, count: participant.count, revision: state.revision)
    }

    private func record(
        _ answer: [UInt8], of upload: Upload, _ fingerprint: RequestFingerprint.Body?,
        _ state: inout State
    ) {
        let request = upload.request
        state.ledger.end(key: request.idempotencyKey, step: request.stepName)
        if let step = request.stepName { state.ledger.commit(step: step, answer: answer) }
        if let key = request.idempotencyKey, let fingerprint {
            state.ledger.commit(
                key: key,
                fingerprint: RequestFingerprint(head: request.fingerprintHead, body: fingerprint),
                answer: answer)
        }
    }

    /// An upload leaves without effect: its turn goes on, its slots become spare again.
    func endTurn(_ upload: Upload, unused job: FoldJob?) {
        var after = AfterUnlock()
        state.withLock { state in
            for participant in job?.participants ?? [] {
                // Before the layout is fixed, the next upload may need slots of another size.
                guard let slot = participant.next, state.layout != nil else { continue }
                state.averages[participant.average].header = participant.header
                state.averages[participant.average].others.append(slot)
            }
            guard state.queue.contains(where: { $0 === upload }) else { return }
            state.ledger.end(key: upload.request.idempotencyKey, step: upload.request.stepName)
            state.leaveQueue(upload, &after)
        }
        after.run()
    }

    private func answer(in state: State, applied: Set<Int>) -> UploadAnswer {
        UploadAnswer(
            session: name, revision: state.revision,
            averages: state.averages.enumerated().map { index, average in
                UploadAnswer.Average(
                    name: average.settings.name, isStarted: average.isStarted,
                    count: average.count, isApplied: applied.contains(index))
            })
    }
}
