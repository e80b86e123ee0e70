/// When averaging begins. It is decided by the reports at the ends of epochs and never taken back.
public enum Trigger: Sendable, Equatable {
    /// At creation: the first model uploaded is averaged.
    case immediate
    /// With the first report whose `epoch ≥ epochs·(1 − alpha)`: the last share `alpha` of the run
    /// is averaged (Rakhlin, Shamir & Sridharan 2012). epochs ≥ 1, 0 ≤ alpha ≤ 1.
    case alphaSuffix(epochs: Int, alpha: Double)
    /// When the loss stops improving.
    case nta(NTATrigger)

    /// Whether a report without a loss is of no use to this trigger.
    public var needsLoss: Bool {
        switch self {
        case .immediate, .alphaSuffix: false
        case .nta(let nta): nta.n > 0
        }
    }
}

/// The non-monotonic trigger (Merity, Keskar & Socher 2018): averaging begins when a loss is worse
/// than the best of earlier ones, or late in the run at the latest.
public struct NTATrigger: Sendable, Equatable {
    /// The epochs of the whole run, ≥ 1.
    public var epochs: Int
    /// How many losses the comparison looks back. At 0 and below losses are neither compared nor
    /// kept, and only the fallback starts averaging.
    public var n: Int
    /// Whether the reported value is better when larger, as an accuracy is.
    public var maximize: Bool
    /// Whether a loss is compared with the best of the last `n` losses. Otherwise it is compared
    /// with the best of all losses but the last `n`, as in the paper.
    public var lastN: Bool
    /// Averaging begins at the latest when `epoch ≥ epochs·(1 − fallbackAlpha)`;
    /// 0 ≤ fallbackAlpha ≤ 1.
    public var fallbackAlpha: Double

    public init(
        epochs: Int, n: Int = 5, maximize: Bool = false, lastN: Bool = false,
        fallbackAlpha: Double = 0.05
    ) {
        self.epochs = epochs
        self.n = n
        self.maximize = maximize
        self.lastN = lastN
        self.fallbackAlpha = fallbackAlpha
    }
}

/// When and why averaging began.
public struct Start: Sendable, Equatable {
    /// The epoch of the report that began it; nil when it began at creation.
    public let epoch: Int?
    /// The comparison that held, in words for a person:
    /// "loss 3 > 2, the best of the losses before the last 5".
    public let reason: String

    public init(epoch: Int?, reason: String) {
        self.epoch = epoch
        self.reason = reason
    }
}
