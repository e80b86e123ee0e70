import Averaging
import Testing

@Suite struct RuleTests {
    @Test(arguments: [
        Rule.polynomialDecay(eta: 0), .polynomialDecay(eta: 3), .ema(decay: 0.999), .uniform,
        .latest,
    ])
    func `the first model is copied`(rule: Rule) {
        #expect(rule.step(count: 1) == .copy)
    }

    @Test func `weights are computed in double precision`() {
        // Quotients as Python prints them.
        #expect(
            Rule.polynomialDecay(eta: 0).step(count: 3) == .fold(alpha: 0.333_333_333_333_333_3))
        #expect(Rule.polynomialDecay(eta: 0.5).step(count: 10) == .fold(alpha: 1.5 / 10.5))
        #expect(Rule.polynomialDecay(eta: 8).step(count: 7) == .fold(alpha: 0.6))
        #expect(Rule.uniform.step(count: 7) == .fold(alpha: 0.142_857_142_857_142_85))
        #expect(Rule.ema(decay: 0.999).step(count: 2) == .fold(alpha: 0.001_000_000_000_000_000_9))
        #expect(Rule.ema(decay: 0).step(count: 2) == .fold(alpha: 1))
        #expect(Rule.ema(decay: 1).step(count: 2) == .fold(alpha: 0))
        #expect(Rule.latest.step(count: 9) == .copy)
    }

    /// Models filled with 1…T average to (T(eta+1)+1)/(eta+2).
    @Test(arguments: [(0, 5.5), (0.5, 6.4), (1, 7.0), (3, 8.2), (8, 9.1)] as [(Double, Double)])
    func `polynomial decay meets its closed form`(eta: Double, expected: Double) {
        for kernels in FoldKernels.all {
            var average = Average<Double>(count: 3, kernels: kernels)
            for model in 1...10 {
                average.fold(
                    [Double](repeating: Double(model), count: 3), .polynomialDecay(eta: eta))
            }
            for value in average.values {
                #expect(abs(value - expected) < 1e-14, "\(kernels.name)")
            }
        }
    }

    @Test func `latest keeps the newest model`() {
        var average = Average<Float>(count: 2)
        average.fold([1, 2], .latest)
        average.fold([3, 4], .latest)
        #expect(average.values == [3, 4])
    }

    /// strategies.md section 3: an EMA of decay .9999 from 1.0 towards 1.1 after 20,000 steps.
    @Test func `a float32 average keeps up with a slow decay`() {
        var narrow = Average<Float>(count: 1)
        var wide = Average<Double>(count: 1)
        narrow.fold([1.0], .ema(decay: 0.9999))
        wide.fold([1.0], .ema(decay: 0.9999))
        for _ in 0..<20_000 {
            narrow.fold([1.1], .ema(decay: 0.9999))
            wide.fold([1.1], .ema(decay: 0.9999))
        }
        #expect(abs(narrow.values[0] - 1.086465) < 5e-7)
        #expect(abs(wide.values[0] - 1.086468) < 5e-7)
    }
}
