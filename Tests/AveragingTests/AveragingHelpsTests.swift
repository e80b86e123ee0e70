import Averaging
import TestSupport
import Testing

/// The mean of independent repetitions and its standard error.
private func meanAndError(_ values: [Double]) -> (mean: Double, error: Double) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    return (mean, (variance / count).squareRoot())
}

/// Stochastic gradient descent on problems whose answers are known; each element of a model is an
/// independent repetition. Bounds are four standard errors of the sample, and the seeds are fixed.
@Suite struct AveragingHelpsTests {
    /// Constant step γ = .1 on ½w² with gradient noise of variance 1, T = 10⁴ steps. The last
    /// iterate's mean squared error is γ/(2 − γ); the uniform mean's 1/T; that of eta 3 (16/7)/T;
    /// that of an EMA α/(2 − α).
    @Test func `averaging helps as much as theory says`() {
        let repetitions = 400
        let steps = 10_000
        var random = SplitMix(seed: 20)
        var iterate = [Double](repeating: 0, count: repetitions)
        let rules: [(rule: Rule, expected: Double)] = [
            (.latest, 0.1 / 1.9), (.uniform, 1e-4), (.polynomialDecay(eta: 0), 1e-4),
            (.polynomialDecay(eta: 3), 16.0 / 7 * 1e-4), (.ema(decay: 0.999), 0.001 / 1.999),
        ]
        var averages = rules.map { _ in Average<Double>(count: repetitions) }
        for _ in 0..<steps {
            var bits: UInt64 = 0
            for index in iterate.indices {
                if index % 64 == 0 { bits = random.next() }
                // ±1 with equal chances has variance 1, which is all the answers depend on.
                let noise: Double = bits & 1 == 0 ? 1 : -1
                bits >>= 1
                iterate[index] -= 0.1 * (iterate[index] + noise)
            }
            for index in rules.indices {
                averages[index].fold(iterate, rules[index].rule)
            }
        }
        for (index, (rule, expected)) in rules.enumerated() {
            let (mean, error) = meanAndError(averages[index].values.map { $0 * $0 })
            #expect(abs(mean - expected) < 4 * error, "\(rule): \(mean), not \(expected)")
            #expect(error < 0.1 * expected, "the sample is too small to tell")
        }
    }

    /// Rakhlin, Shamir & Sridharan 2012: F = ½w² + (w if w ≥ 0, else −7w) on [−1, 1], step 1/t,
    /// gradient w + Z with Z uniform in [−1, 3] for w ≥ 0. T·F of the full mean grows with log T;
    /// that of the last half and of eta 3 does not.
    @Test(arguments: [(1000, 18.1, 4.34, 4.17), (10_000, 25.2, 4.33, 4.16)])
    func `the suffix and eta 3 stay flat where the full mean grows`(
        steps: Int, full: Double, suffix: Double, eta3: Double
    ) {
        let repetitions = 200
        var random = SplitMix(seed: 30)
        var iterate = (0..<repetitions).map { _ in 2 * random.unit() - 1 }
        let trigger = Trigger.alphaSuffix(epochs: 10, alpha: 0.5)
        var state = TriggerState(trigger)
        var mean = Average<Double>(count: repetitions)
        var half = Average<Double>(count: repetitions)
        var late = Average<Double>(count: repetitions)
        for step in 1...steps {
            for index in iterate.indices {
                let weight = iterate[index]
                let gradient = weight >= 0 ? weight + 4 * random.unit() - 1 : weight - 7
                iterate[index] = min(1, max(-1, weight - gradient / Double(step)))
            }
            mean.fold(iterate, .uniform)
            late.fold(iterate, .polynomialDecay(eta: 3))
            if state.start != nil { half.fold(iterate, .polynomialDecay(eta: 0)) }
            if step % (steps / 10) == 0 {
                _ = state.report(loss: nil, epoch: step / (steps / 10), to: trigger)
            }
        }
        #expect(half.models == steps / 2)
        for (average, expected) in [(mean, full), (half, suffix), (late, eta3)] {
            let (product, error) = meanAndError(
                average.values.map { Double(steps) * (0.5 * $0 * $0 + ($0 >= 0 ? $0 : -7 * $0)) })
            // The expected values are themselves rounded to half a unit of their last digit.
            let rounding = expected > 10 ? 0.05 : 0.005
            #expect(abs(product - expected) < 4 * error + rounding, "\(product), not \(expected)")
            #expect(error < 0.02 * expected, "the sample is too small to tell")
        }
    }
}
