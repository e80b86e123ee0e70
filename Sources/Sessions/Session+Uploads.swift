import Averaging
import Dispatch
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
    /// Readers hold every slot: the turn begins anew when one lets go.
    case wait
    case fold(FoldJob)
}

extension Session {
    /// Decides on an upload by its head; takes its place in the queue.
    public func admit(_ request: UploadRequest, client: any UploadClient) -> UploadAdmission {
        let (admission, hasTurn) = state.withLock { state -> (UploadAdmission, Bool) in
            if let settled = settle(request, in: state) { return (settled, false) }
            if state.queue.isEmpty, !state.record.hasStartedAverage {
                return (.notStarted(state.record.uploadAnswer(applied: []).bytes()), false)
            }
            guard state.queue.count < limits.queuedUploads else {
                return (
                    .refused(.tooManyUploads(limit: limits.queuedUploads, in: .session)), false
                )
            }
            let permit: UploadPermit
            do throws(SessionError) {
                permit = try budgets.uploads.enter(request.identity)
            } catch {
                return (.refused(error), false)
            }
            let upload = Upload(
                session: self, request: request, client: client, permit: permit, limits: limits,
                stagingBudget: budgets.staging, previous: state.lastPlan?.header)
            state.inFlight.begin(key: request.idempotencyKey, step: request.stepName)
            state.queue.append(upload)
            return (.admitted(upload), state.queue.count == 1)
        }
        if hasTurn, case .admitted(let upload) = admission { upload.takeTurn(resumes: false) }
        return admission
    }

    /// What is known by the head alone; nil for an upload that is new. The key is looked up before
    /// the step (http-api.md, "Uploading").
    private func settle(_ request: UploadRequest, in state: State) -> UploadAdmission? {
        if let refusal = state.refusal(self) { return .refused(refusal) }
        let ledger = state.record.ledger
        if let key = request.idempotencyKey {
            if let known = ledger[key: key] {
                return .compare(known.fingerprint, recorded: known.answer)
            }
            if state.inFlight.contains(key) { return .refused(.keyInProgress(key)) }
        }
        guard let step = request.stepName else { return nil }
        if let last = ledger.steps[step.trainer] {
            if step.step == last.step { return .answered(UploadAnswer.duplicate(of: last.answer)) }
            if step.step < last.step { return .refused(.stale(step, last: last.step)) }
        } else if ledger.steps.count >= limits.trainers {
            return .refused(
                .quotaExceeded(
                    detail: "the session remembers the steps of \(limits.trainers) trainers "
                        + "and \"\(step.trainer)\" would be one more"))
        }
        return state.inFlight.contains(step) ? .refused(.stepInProgress(step)) : nil
    }

    /// The turn of `upload` has come: looks again at what may have changed while it waited.
    func decide(_ upload: Upload) -> TurnDecision {
        state.withLock { state in
            if let refusal = state.refusal(self) { return .refused(refusal) }
            if let step = upload.request.stepName,
                let last = state.record.ledger.steps[step.trainer], step.step < last.step
            {
                return .refused(.stale(step, last: last.step))
            }
            guard state.record.hasStartedAverage else {
                return .notStarted(state.record.uploadAnswer(applied: []).bytes())
            }
            return hasRoom(for: upload, &state) ? .fold(makeJob(&state)) : .wait
        }
    }

    private func makeJob(_ state: inout State) -> FoldJob {
        var participants: [FoldJob.Participant] = []
        for (index, average) in state.record.averages.enumerated() where average.isStarted {
            let count = average.count + 1
            let room = state.slots[index].takeRoom(bound: limits.pinnedRevisions)
            participants.append(
                FoldJob.Participant(
                    average: index, step: average.settings.rule.step(count: count), count: count,
                    current: state.slots[index].current, slotNumber: room.number,
                    replaced: room.replaced, next: room.spare, header: state.slots[index].header))
        }
        return FoldJob(
            participants: participants,
            maker: FoldJob.SlotMaker(
                directory: directory, session: name, settings: settings.averages,
                accumulator: settings.accumulator),
            checksFinite: settings.nonFinite == .refuse, layout: state.record.layout,
            known: state.lastPlan)
    }

    // MARK: Commit

    /// Seals what `job` folded: after this its slots are whole and may be published.
    ///
    /// - Returns: the change that publishing them is.
    func seal(
        _ job: FoldJob, of request: UploadRequest, fingerprint: RequestFingerprint.Body?
    ) -> SessionChange {
        // Only the turn's holder changes the revision, so the next one is known.
        let (revision, isFirst) = state.withLock { state in
            (state.record.revision + 1, state.record.layout == nil)
        }
        var parts: [SessionChange.Fold.Part] = []
        for participant in job.participants {
            guard let slot = participant.next, let header = participant.header else {
                preconditionFailure("a participant is sealed without its slot")
            }
            header.patch(
                UnsafeMutableRawBufferPointer(start: slot.base, count: header.byteCount),
                counter: participant.count, revision: revision)
            parts.append(.init(average: participant.average, slot: slot.number))
        }
        FoldKernels.fence()
        return .folded(
            SessionChange.Fold(
                parts: parts, layout: isFirst ? job.layout : nil,
                identity: RequestIdentity(
                    step: request.stepName, key: request.idempotencyKey,
                    fingerprint: fingerprint.map {
                        RequestFingerprint(head: request.fingerprintHead, body: $0)
                    })))
    }

    /// Publishes the slots of `job`: the one moment at which an upload takes effect.
    ///
    /// - Returns: the answer's body, recorded under the upload's step and key.
    func commit(
        _ upload: Upload, _ job: FoldJob, _ change: SessionChange
    ) throws(SessionError) -> [UInt8] {
        var after = AfterUnlock()
        let result = state.withLock { state -> Result<[UInt8], SessionError> in
            if let refusal = state.refusal(self) { return .failure(refusal) }
            return Result { () throws(SessionError) in
                let answer = try state.commit(change)
                state.lastPlan = job.plan
                for participant in job.participants {
                    guard let slot = participant.next else { continue }
                    state.slots[participant.average].header = participant.header
                    state.slots[participant.average].publish(slot)
                }
                state.inFlight.end(
                    key: upload.request.idempotencyKey, step: upload.request.stepName)
                state.leaveQueue(upload, &after)
                let applied = Set(job.participants.map(\.average))
                wakeWaiters(&state, &after) { applied.contains($0.average) }
                return answer
            }
        }
        after.run()
        return try result.get()
    }

    /// An upload leaves without effect: its turn goes on, its slots become spare again.
    func endTurn(_ upload: Upload, unused job: FoldJob?) {
        var after = AfterUnlock()
        state.withLock { state in
            if job != nil, state.record.layout == nil { state.dropClaim(to: budgets.models) }
            for participant in job?.participants ?? [] {
                let slot = participant.next ?? participant.replaced
                // Before the layout is fixed, the next upload may need slots of another size; and
                // memory that did not suffice may suffice another session.
                guard state.record.layout != nil, !state.isDeleted, slot?.isWhollyReserved ?? true
                else {
                    state.slots[participant.average].giveBack(nil)
                    after.add { DispatchQueue.global().async { slot?.discard() } }
                    continue
                }
                state.slots[participant.average].header = participant.header
                state.slots[participant.average].giveBack(slot)
            }
            guard state.queue.contains(where: { $0 === upload }) else { return }
            state.inFlight.end(
                key: upload.request.idempotencyKey, step: upload.request.stepName)
            state.leaveQueue(upload, &after)
        }
        after.run()
    }
}

extension SessionError {
    static func keyInProgress(_ key: String) -> SessionError {
        .inProgress(detail: "a request with Idempotency-Key \"\(key)\" is in progress")
    }

    static func stepInProgress(_ step: RequestLedger.StepName) -> SessionError {
        .inProgress(detail: "step \(step.step) of trainer \"\(step.trainer)\" is in progress")
    }

    static func stale(_ step: RequestLedger.StepName, last: Int) -> SessionError {
        .staleStep(trainer: step.trainer, given: step.step, last: last)
    }
}
