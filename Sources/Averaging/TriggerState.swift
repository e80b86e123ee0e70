/// What a trigger remembers between reports: a value, so that a report can be tried on a copy.
public struct TriggerState: Sendable, Equatable {
    /// Nil until averaging begins; never changes afterwards.
    public private(set) var start: Start?
    /// The losses the trigger has seen, oldest first. NTA alone keeps them, up to the start.
    public private(set) var losses: [Double]

    /// The state at creation.
    public init(_ trigger: Trigger) {
        start =
            trigger == .immediate
            ? Start(epoch: nil, reason: "averaging starts with the first upload") : nil
        losses = []
    }

    /// A state saved earlier.
    public init(start: Start?, losses: [Double]) {
        self.start = start
        self.losses = losses
    }

    /// Takes a report of `epoch` finished epochs and answers the start if averaging begins now.
    ///
    /// `loss` must be finite where it is given, and given where the trigger needs one: a NaN among
    /// the losses would silence the comparison for the rest of the run.
    public mutating func report(loss: Double?, epoch: Int, to trigger: Trigger) -> Start? {
        guard start == nil else { return nil }
        precondition(loss?.isFinite ?? !trigger.needsLoss, "the report was not checked")
        switch trigger {
        case .immediate:
            start = TriggerState(.immediate).start
        case .alphaSuffix(let epochs, let alpha):
            start = suffixStart(epoch: epoch, epochs: epochs, share: alpha, named: "alpha")
        case .nta(let nta):
            // A loss reported with the fallback's start is not kept; one that starts by itself is.
            start = suffixStart(
                epoch: epoch, epochs: nta.epochs, share: nta.fallbackAlpha, named: "fallback_alpha")
            if start == nil, nta.n > 0, let loss {
                start = nta.comparison(loss, with: losses).map { Start(epoch: epoch, reason: $0) }
                losses.append(loss)
            }
        }
        return start
    }
}

/// The start by the clock: `epoch ≥ epochs·(1 − share)` in double precision.
private func suffixStart(epoch: Int, epochs: Int, share: Double, named name: String) -> Start? {
    let limit = Double(epochs) * (1.0 - share)
    guard Double(epoch) >= limit else { return nil }
    let terms = "epochs \(epochs) x (1 - \(name) \(shortest(share)))"
    return Start(epoch: epoch, reason: "epoch \(epoch) >= \(shortest(limit)) = \(terms)")
}

extension NTATrigger {
    /// Why `loss` starts averaging after `losses`, in words; nil when it does not. n > 0.
    fileprivate func comparison(_ loss: Double, with losses: [Double]) -> String? {
        guard losses.count >= n else { return nil }
        let compared = lastN ? losses.suffix(n) : losses.dropLast(n)
        // All losses but the last n may be none, and then there is no best.
        guard let best = maximize ? compared.max() : compared.min(),
            maximize ? loss < best : loss > best
        else { return nil }
        let group =
            switch (lastN, n) {
            case (true, 1): "the last one"
            case (true, _): "the best of the last \(n) losses"
            case (false, 1): "the best of the losses before the last one"
            case (false, _): "the best of the losses before the last \(n)"
            }
        return "loss \(shortest(loss)) \(maximize ? "<" : ">") \(shortest(best)), \(group)"
    }
}

/// The shortest decimal that reads back as `value`, without a trailing ".0".
private func shortest(_ value: Double) -> String {
    let text = value.description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
