import Averaging
import Dispatch
import ServiceLimits
import Synchronization

/// A change other than an upload in a session's queue: a report, or cached weights. Immutable.
final class PendingChange: Turn {
    let change: SessionChange
    let identity: RequestIdentity
    /// The open file of `.cachedStored`.
    let file: CachedFile?
    private let session: Session
    let answer: @Sendable (Result<[UInt8], SessionError>) -> Void

    init(
        session: Session, change: SessionChange, identity: RequestIdentity, file: CachedFile?,
        answer: @escaping @Sendable (Result<[UInt8], SessionError>) -> Void
    ) {
        self.session = session
        self.change = change
        self.identity = identity
        self.file = file
        self.answer = answer
    }

    func begin() {
        guard session.settings.durability == .disk else { return session.commit(self) }
        DispatchQueue.global(qos: .userInitiated).async { [self] in
            do throws(SessionError) {
                try session.makeDurable(change, file: file)
                session.commit(self)
            } catch {
                session.abandon(self, error)
            }
        }
    }

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
        let identity = RequestIdentity(key: key, fingerprint: fingerprint)
        let turn = PendingChange(
            session: self, change: .reported(report, identity), identity: identity, file: nil,
            answer: answer)
        enqueue(turn) { state in
            settle(turn.identity, in: state) ?? check(report, in: state).map { .failure($0) }
        }
    }

    /// Takes a turn's place in the queue, unless `settle` knows its answer already.
    func enqueue(
        _ turn: PendingChange,
        settle: (State) -> Result<[UInt8], SessionError>?
    ) {
        enum Place {
            case settled(Result<[UInt8], SessionError>)
            case first
            case waiting
        }
        let place = state.withLock { state -> Place in
            if let refusal = state.refusal(self) { return .settled(.failure(refusal)) }
            if let settled = settle(state) { return .settled(settled) }
            guard state.queue.count < limits.queuedUploads else {
                return .settled(
                    .failure(.tooManyUploads(limit: limits.queuedUploads, in: .session)))
            }
            state.inFlight.begin(key: turn.identity.key, step: nil)
            state.queue.append(turn)
            return state.queue.count == 1 ? .first : .waiting
        }
        switch place {
        case .settled(let result): turn.answer(result)
        case .first: turn.begin()
        case .waiting: break
        }
    }

    private func settle(
        _ identity: RequestIdentity, in state: State
    ) -> Result<[UInt8], SessionError>? {
        guard let key = identity.key else { return nil }
        if let known = state.record.ledger[key: key] {
            guard known.fingerprint == identity.fingerprint else {
                return .failure(.idempotencyKeyReused(key: key))
            }
            return .success(known.answer)
        }
        return state.inFlight.contains(key) ? .failure(.keyInProgress(key)) : nil
    }

    private func check(_ report: Report, in state: State) -> SessionError? {
        if report.loss == nil,
            let average = settings.averages.first(where: { $0.trigger.needsLoss })
        {
            return .invalidReport(
                detail: "the trigger of average \"\(average.name)\" needs a loss; "
                    + "send {\"epoch\": \(report.epoch), \"loss\": a finite number}")
        }
        guard state.record.reportCount < limits.reports else {
            return .quotaExceeded(detail: "a session takes at most \(limits.reports) reports")
        }
        return nil
    }

    fileprivate func commit(_ turn: PendingChange) {
        var after = AfterUnlock()
        let result = state.withLock { state -> Result<[UInt8], SessionError>? in
            // A deletion has already answered.
            guard !state.isDeleted else { return nil }
            defer {
                state.inFlight.end(key: turn.identity.key, step: nil)
                state.leaveQueue(turn, &after)
            }
            return Result { () throws(SessionError) in
                let answer = try state.commit(turn.change)
                keepFile(of: turn, &state, &after)
                return answer
            }
        }
        if let result { turn.answer(result) }
        after.run()
    }

    /// Takes over the open file of stored weights, and lets go of the one before.
    private func keepFile(
        of turn: PendingChange, _ state: inout State, _ after: inout AfterUnlock
    ) {
        let old: CachedFile?
        switch turn.change {
        case .cachedStored(let trainer, _):
            old = state.cachedFiles.removeValue(forKey: trainer)
            state.cachedFiles[trainer] = turn.file
        case .cachedDropped(let trainer): old = state.cachedFiles.removeValue(forKey: trainer)
        case .folded, .reported: return
        }
        if let old { after.add { old.discard() } }
    }

    /// The turn ends without effect.
    fileprivate func abandon(_ turn: PendingChange, _ error: SessionError) {
        var after = AfterUnlock()
        let isAnswered = state.withLock { state in
            state.inFlight.end(key: turn.identity.key, step: nil)
            state.leaveQueue(turn, &after)
            return state.isDeleted
        }
        if !isAnswered { turn.answer(.failure(error)) }
        after.run()
    }
}
