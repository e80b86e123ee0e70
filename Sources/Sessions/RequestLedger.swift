/// What a session remembers of requests it has answered, so that a repeated one is not counted
/// twice: the last step of each trainer and the newest idempotency keys, and which of both are in
/// flight. A value inside the session's lock.
struct RequestLedger: Sendable {
    struct CommittedStep: Sendable {
        var step: Int
        /// The answer's body as first given.
        var answer: [UInt8]
    }

    struct CommittedKey: Sendable {
        var fingerprint: RequestFingerprint
        var answer: [UInt8]
    }

    private(set) var steps: [String: CommittedStep] = [:]
    private var keys: [String: CommittedKey] = [:]
    /// Keys in the order they were recorded, from `oldestKey` on.
    private var keyOrder: [String] = []
    private var oldestKey = 0
    private var stepsInFlight: Set<StepName> = []
    private var keysInFlight: Set<String> = []
    private let maximumKeys: Int
    private let maximumTrainers: Int

    struct StepName: Hashable, Sendable {
        var trainer: String
        var step: Int
    }

    init(maximumKeys: Int, maximumTrainers: Int) {
        self.maximumKeys = maximumKeys
        self.maximumTrainers = maximumTrainers
    }

    enum Finding {
        case new
        /// The key is known: its answer holds if the request's fingerprint equals this one.
        case answeredKey(CommittedKey)
        case answeredStep([UInt8])
        case refused(SessionError)
    }

    /// The key is looked up before the step (http-api.md, "Uploading").
    func find(key: String?, step: StepName?) -> Finding {
        if let key {
            if let known = keys[key] { return .answeredKey(known) }
            if keysInFlight.contains(key) {
                return .refused(
                    .inProgress(detail: "a request with Idempotency-Key \"\(key)\" is in progress"))
            }
        }
        guard let step else { return .new }
        if let last = steps[step.trainer] {
            if last.step == step.step { return .answeredStep(last.answer) }
            if step.step < last.step {
                return .refused(
                    .staleStep(trainer: step.trainer, given: step.step, last: last.step))
            }
        }
        if stepsInFlight.contains(step) {
            return .refused(
                .inProgress(
                    detail: "step \(step.step) of trainer \"\(step.trainer)\" is in progress"))
        }
        return .new
    }

    /// Whether a further trainer's steps can be remembered.
    func hasRoom(for trainer: String) -> Bool {
        steps[trainer] != nil || steps.count < maximumTrainers
    }

    mutating func begin(key: String?, step: StepName?) {
        if let key { keysInFlight.insert(key) }
        if let step { stepsInFlight.insert(step) }
    }

    mutating func end(key: String?, step: StepName?) {
        if let key { keysInFlight.remove(key) }
        if let step { stepsInFlight.remove(step) }
    }

    mutating func commit(step: StepName, answer: [UInt8]) {
        steps[step.trainer] = CommittedStep(step: step.step, answer: answer)
    }

    mutating func commit(key: String, fingerprint: RequestFingerprint, answer: [UInt8]) {
        guard keys.updateValue(CommittedKey(fingerprint: fingerprint, answer: answer), forKey: key) == nil
        else { return }
        keyOrder.append(key)
        if keys.count > maximumKeys {
            keys[keyOrder[oldestKey]] = nil
            oldestKey += 1
            // Amortised: the dead front is dropped once it is as long as the live rest.
            if oldestKey > maximumKeys {
                keyOrder.removeFirst(oldestKey)
                oldestKey = 0
            }
        }
    }
}

/// What makes two requests under one idempotency key the same: method, path, sorted query and media
/// type in `head`, and the SHA-256 of a body up to `Limits.fingerprintBytes`, else its length.
public struct RequestFingerprint: Sendable, Equatable {
    public enum Body: Sendable, Equatable {
        case sha256([UInt8])
        case length(Int)
    }

    public var head: String
    public var body: Body

    public init(head: String, body: Body) {
        self.head = head
        self.body = body
    }
}
