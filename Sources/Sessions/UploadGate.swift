import Synchronization

/// Counts the uploads in progress, all and those of each identity, and lets in no more than there
/// may be. Any thread.
final class UploadGate: Sendable {
    private struct State {
        var count = 0
        /// Without those that have none.
        var countOfIdentity: [String: Int] = [:]
    }

    private let limit: Int
    private let limitOfIdentity: Int
    private let state = Mutex(State())

    init(limit: Int, limitOfIdentity: Int) {
        self.limit = limit
        self.limitOfIdentity = limitOfIdentity
    }

    /// - Parameter identity: whose upload it is; nil where nobody says who they are, and then only
    ///   the service's limit counts.
    /// - Throws: `tooManyUploads`.
    func enter(_ identity: String?) throws(SessionError) -> UploadPermit {
        let refusal = state.withLock { state -> SessionError? in
            guard state.count < limit else { return .tooManyUploads(limit: limit, in: .service) }
            if let identity {
                let count = state.countOfIdentity[identity, default: 0]
                guard count < limitOfIdentity else {
                    return .tooManyUploads(limit: limitOfIdentity, in: .identity)
                }
                state.countOfIdentity[identity] = count + 1
            }
            state.count += 1
            return nil
        }
        if let refusal { throw refusal }
        return UploadPermit(self, identity)
    }

    fileprivate func leave(_ identity: String?) {
        state.withLock { state in
            state.count -= 1
            guard let identity, let count = state.countOfIdentity[identity] else { return }
            state.countOfIdentity[identity] = count == 1 ? nil : count - 1
        }
    }
}

/// A place among the uploads in progress, given back when it is let go of.
final class UploadPermit: Sendable {
    private let gate: UploadGate
    private let identity: String?

    fileprivate init(_ gate: UploadGate, _ identity: String?) {
        self.gate = gate
        self.identity = identity
    }

    deinit { gate.leave(identity) }
}
