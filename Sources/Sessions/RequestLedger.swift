/// What a session remembers of requests it has answered, so that a repeated one is not counted
/// twice: the last step of each trainer, and the newest idempotency keys.
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

    struct StepName: Hashable, Sendable {
        var trainer: String
        var step: Int
    }

    private(set) var steps: [String: CommittedStep] = [:]
    private var answers: [String: CommittedKey] = [:]
    /// Keys in the order in which they were recorded, a ring once it is full.
    private var order: [String] = []
    private var oldest = 0
    private let maximumKeys: Int

    init(maximumKeys: Int) {
        self.maximumKeys = maximumKeys
    }

    subscript(key key: String) -> CommittedKey? { answers[key] }

    /// The keys with their answers, oldest first.
    var keys: [(key: String, committed: CommittedKey)] {
        (order[oldest...] + order[..<oldest]).compactMap { key in
            answers[key].map { (key, $0) }
        }
    }

    mutating func commit(_ identity: RequestIdentity, answer: [UInt8]) {
        if let step = identity.step {
            commit(step, answer: answer)
        }
        if let key = identity.key, let fingerprint = identity.fingerprint {
            commit(key: key, CommittedKey(fingerprint: fingerprint, answer: answer))
        }
    }

    mutating func commit(_ step: StepName, answer: [UInt8]) {
        steps[step.trainer] = CommittedStep(step: step.step, answer: answer)
    }

    mutating func commit(key: String, _ committed: CommittedKey) {
        precondition(answers[key] == nil, "a key is recorded once")
        answers[key] = committed
        if order.count < maximumKeys {
            order.append(key)
        } else {
            answers[order[oldest]] = nil
            order[oldest] = key
            oldest = (oldest + 1) % maximumKeys
        }
    }
}

/// Which steps and keys are being handled now. Not kept across restarts.
struct RequestsInFlight {
    private var steps: Set<RequestLedger.StepName> = []
    private var keys: Set<String> = []

    mutating func begin(key: String?, step: RequestLedger.StepName?) {
        if let key { keys.insert(key) }
        if let step { steps.insert(step) }
    }

    mutating func end(key: String?, step: RequestLedger.StepName?) {
        if let key { keys.remove(key) }
        if let step { steps.remove(step) }
    }

    func contains(_ key: String) -> Bool { keys.contains(key) }

    func contains(_ step: RequestLedger.StepName) -> Bool { steps.contains(step) }
}

/// What makes two requests under one idempotency key the same: method, path, sorted query and media
/// type in `head`, and the SHA-256 of a body up to `Limits.fingerprintBytes`, else its length.
public struct RequestFingerprint: Sendable, Equatable {
    /// What is compared of the body.
    public enum Body: Sendable, Equatable {
        case sha256([UInt8])
        case length(Int)
    }

    /// Method, path, sorted query and media type in one text.
    public var head: String
    /// The body's digest, or its length.
    public var body: Body

    public init(head: String, body: Body) {
        self.head = head
        self.body = body
    }
}
