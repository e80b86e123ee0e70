/// What the head of an upload says.
public struct UploadRequest: Sendable {
    /// Steps rise within one trainer.
    public var trainer: String
    /// 0 or more; nil without one.
    public var step: Int?
    /// `Idempotency-Key`; nil without one.
    public var idempotencyKey: String?
    /// `RequestFingerprint.head`, when there is a key.
    public var fingerprintHead: String
    /// The body's length when it is announced.
    public var bodyByteCount: Int?
    /// The name of the identity that sends it; nil without one.
    public var identity: String?

    public init(
        trainer: String, step: Int?, idempotencyKey: String?, fingerprintHead: String,
        bodyByteCount: Int?, identity: String?
    ) {
        self.trainer = trainer
        self.step = step
        self.idempotencyKey = idempotencyKey
        self.fingerprintHead = fingerprintHead
        self.bodyByteCount = bodyByteCount
        self.identity = identity
    }

    var stepName: RequestLedger.StepName? {
        step.map { RequestLedger.StepName(trainer: trainer, step: $0) }
    }
}
