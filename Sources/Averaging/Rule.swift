/// How much of each new model goes into the average: `a ← a + α·(w − a)`.
///
/// A rule yields α; a `Trigger` says when averaging begins; they combine freely. Every rule is
/// linear in the model, and the first model of an average is copied.
public enum Rule: Sendable, Equatable {
    /// α = (eta + 1)/(eta + n): eta 0 is the uniform mean, larger values favour recent iterates
    /// (Shamir & Zhang 2013, section 4). eta is finite and > −1.
    case polynomialDecay(eta: Double)
    /// α = 1 − decay, 0 ≤ decay ≤ 1.
    case ema(decay: Double)
    /// α = 1/n.
    case uniform
    /// The newest model itself.
    case latest
}

/// What the kernel does with one model.
public enum FoldStep: Sendable, Equatable {
    /// a ← w.
    case copy
    /// a ← a + α·(w − a), with α rounded to the accumulator's type first.
    case fold(alpha: Double)
}

extension Rule {
    /// What to do with a model that makes the average one of `n` models, `n` ≥ 1.
    ///
    /// α is computed in double precision; the kernel rounds it to the accumulator's type.
    public func step(count n: Int) -> FoldStep {
        precondition(n >= 1, "the model being folded is counted")
        guard n > 1 else { return .copy }
        switch self {
        case .polynomialDecay(let eta): return .fold(alpha: (eta + 1) / (eta + Double(n)))
        case .ema(let decay): return .fold(alpha: 1 - decay)
        case .uniform: return .fold(alpha: 1 / Double(n))
        case .latest: return .copy
        }
    }
}
