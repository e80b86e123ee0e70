import Averaging
import ServiceLimits
import Synchronization

/// A report in a session's queue. Immutable, except for the session's own state.
final class PendingReport: Turn {
    let report: Report
    let key: String?
    let fingerprint: RequestFingerprint?
    private let session: Session
    let answer: @Sendable (Result<[UInt8], SessionError>) -> Void

    init(
        session: Session, report: Report, key: String?, fingerprint: RequestFingerprint?,
        answer: @escaping @Sendable (Result<[UInt8], SessionError>) -> Void
    ) {
        self.session = session
        self.report = report
        self.key = key
        self.fingerprint = fingerprint
        self.answer = answer
    }

    func begin() { session.commit(self) }

    func sessionDeleted() { answer(.failure(session.deletedError)) }
}

extension Session {
    /// Takes one epoch's report at its turn: it goes to every average, or is refused.
    ///
    /// - Parameters:
    ///   - fingerprint: given with an idempotency key; `fingerprint.body` covers the whole body.
    ///   - answer: called once, on any thread, with the answer's body.
    public func report(
        _ report: Report, key: String?, fingerprint: RequestFingerprint?,
        answer: @escaping @Sendable (Result<[UInt8], SessionError>) -> Void
    ) {
        let turn = PendingReport(
            session: self, report: report, key: key, fingerprint: fingerprint, answer: answer)
        enum Place {
            case settled(Result<[UInt8], SessionError>)
            case first
            case waiting
        }
        let place = state.withLock { state -> Place in
            if state.isDeleted { return .settled(.failure(deletedError)) }
            if let settled = settle(turn, in: state) { return .settled(settled) }
            guard state.queue.count < limits.queuedUploads else {
                return .settled(.failure(.tooManyUploads(limit: limits.queuedUploads)))
            }
            state.ledger.begin(key: key, step: nil)
            state.queue.append(turn)
            return state.queue.count == 1 ? .first : .waiting
        }
        switch place {
        case .settled(let result): answer(result)
        case .first: turn.begin()
        case .waiting: break
        }
    }

    private func settle(
        _ turn: PendingReport, in state: State
    ) -> Result<[UInt8], SessionError>? {
        switch state.ledger.find(key: turn.key, step: nil) {
        case .refused(let error): return .failure(error)
        case .answeredKey(let known):
            guard known.fingerprint == turn.fingerprint else {
                return .failure(.idempotencyKeyReused(key: turn.key ?? ""))
            }
            return .success(known.answer)
        case .new, .answeredStep: break
        }
        if turn.report.loss == nil,
            let average = settings.averages.first(where: { $0.trigger.needsLoss })
        {
            return .failure(
                .invalidReport(
                    detail: "the trigger of average \"\(average.name)\" needs a loss; "
                        + "send {\"epoch\": \(turn.report.epoch), \"loss\": a finite number}"))
        }
        guard state.reportCount < limits.reports else {
            return .failure(
                .quotaExceeded(detail: "a session takes at most \(limits.reports) reports"))
        }
        return nil
    }

    fileprivate func commit(_ turn: PendingReport) {
        var after = AfterUnlock()
        let answer = state.withLock { state -> [UInt8]? in
            guard !state.isDeleted else { return nil }
            state.revision += 1
            let answer = apply(turn.report, &state).bytes()
            state.ledger.end(key: turn.key, step: nil)
            if let key = turn.key, let fingerprint = turn.fingerprint {
                state.ledger.commit(key: key, fingerprint: fingerprint, answer: answer)
            }
            state.leaveQueue(turn, &after)
            return answer
        }
        // A deletion has already answered.
        if let answer { turn.answer(.success(answer)) }
        after.run()
    }

    private func apply(_ report: Report, _ state: inout State) -> ReportAnswer {
        state.reportCount += 1
        if state.history.count == limits.history { state.history.removeFirst() }
        state.history.append(HistoryEntry(report: report, revision: state.revision))
        var averages: [ReportAnswer.Average] = []
        for index in state.averages.indices {
            let trigger = state.averages[index].settings.trigger
            let started = state.averages[index].trigger.report(
                loss: report.loss, epoch: report.epoch, to: trigger)
            if started != nil { state.averages[index].startedRevision = state.revision }
            averages.append(
                ReportAnswer.Average(
                    name: state.averages[index].settings.name,
                    isStarted: state.averages[index].isStarted, startedNow: started != nil,
                    reason: state.averages[index].trigger.start?.reason))
        }
        return ReportAnswer(session: name, revision: state.revision, averages: averages)
    }
}
