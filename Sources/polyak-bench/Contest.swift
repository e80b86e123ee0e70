/// Something that is timed, in turn with the others of its contest.
struct Variant {
    let name: String
    /// Runs one sample and says how long it took, for each of its operations.
    let sample: () throws -> Duration
}

/// One ratio of a contest, and what the project wants it to be.
struct Comparison {
    enum Goal {
        /// The subject's time divided by the reference's, and its largest wanted value.
        case time(atMost: Double?)
        /// The reference's time divided by the subject's: how many times as fast the subject is.
        case speed(atLeast: Double?)
    }

    let subject: String
    let reference: String
    let goal: Goal

    init(_ subject: String, to reference: String, _ goal: Goal) {
        self.subject = subject
        self.reference = reference
        self.goal = goal
    }
}

/// What a contest found.
struct ContestResult: Encodable {
    struct Time: Encodable {
        let variant: String
        let medianSeconds: Double
        let fastestSeconds: Double
    }

    struct Ratio: Encodable {
        let subject: String
        let reference: String
        /// "time" or "speed".
        let measure: String
        /// The median of the rounds' ratios, and their quartiles.
        let median: Double
        let lowerQuartile: Double
        let upperQuartile: Double
        let target: Double?
        let met: Bool?
    }

    let name: String
    /// Bytes of one operation.
    let bytes: Int?
    let rounds: Int
    let loadAverage: Double
    let times: [Time]
    let ratios: [Ratio]
}

/// Runs all variants once to warm up, then in turn for a number of rounds.
///
/// Comparisons whose subject or reference is not among the variants are left out.
func contest(
    _ name: String, bytes: Int? = nil, rounds: Int, variants: [Variant], comparisons: [Comparison]
) throws -> ContestResult {
    for variant in variants { _ = try variant.sample() }
    var seconds: [String: [Double]] = [:]
    for _ in 0..<rounds {
        for variant in variants {
            seconds[variant.name, default: []].append(try variant.sample() / .seconds(1))
        }
    }
    let ratios = comparisons.compactMap { comparison -> ContestResult.Ratio? in
        guard let subject = seconds[comparison.subject],
            let reference = seconds[comparison.reference]
        else { return nil }
        return ratio(comparison, subject: subject, reference: reference)
    }
    let times = variants.map { variant in
        let samples = seconds[variant.name, default: []].sorted()
        return ContestResult.Time(
            variant: variant.name, medianSeconds: quantile(samples, 0.5), fastestSeconds: samples[0]
        )
    }
    return ContestResult(
        name: name, bytes: bytes, rounds: rounds, loadAverage: Machine.load, times: times,
        ratios: ratios)
}

private func ratio(
    _ comparison: Comparison, subject: [Double], reference: [Double]
) -> ContestResult.Ratio {
    let measure: String
    let target: Double?
    let ratios: [Double]
    switch comparison.goal {
    case .time(let limit):
        (measure, target) = ("time", limit)
        ratios = zip(subject, reference).map { $0 / $1 }.sorted()
    case .speed(let limit):
        (measure, target) = ("speed", limit)
        ratios = zip(subject, reference).map { $1 / $0 }.sorted()
    }
    let median = quantile(ratios, 0.5)
    return ContestResult.Ratio(
        subject: comparison.subject, reference: comparison.reference, measure: measure,
        median: median, lowerQuartile: quantile(ratios, 0.25),
        upperQuartile: quantile(ratios, 0.75), target: target,
        met: target.map { measure == "time" ? median <= $0 : median >= $0 })
}

/// The value below which a part of the sorted samples lies.
private func quantile(_ sorted: [Double], _ part: Double) -> Double {
    let position = Double(sorted.count - 1) * part
    let lower = Int(position)
    let upper = min(lower + 1, sorted.count - 1)
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - Double(lower))
}

/// The time that one of `count` operations takes.
func timed(_ count: Int = 1, _ operation: (Int) throws -> Void) rethrows -> Duration {
    let start = ContinuousClock.now
    for index in 0..<count { try operation(index) }
    return (ContinuousClock.now - start) / count
}
