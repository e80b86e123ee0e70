import Foundation

/// Everything a run found, as a table while it goes on or as JSON at its end.
struct Report: Encodable {
    let machine = Machine()
    let quick: Bool
    private(set) var contests: [ContestResult] = []
    private(set) var checksums: [String: [String]] = [:]
    private(set) var idleCost: IdleCost?
    private(set) var skipped: [String] = []
    /// Whether lines are printed as they come.
    private let printing: Bool

    private enum CodingKeys: String, CodingKey {
        case machine, quick, contests, checksums, idleCost, skipped
    }

    init(quick: Bool, printing: Bool) {
        self.quick = quick
        self.printing = printing
        print(
            "\(machine.processor), \(machine.cores) cores, "
                + "\(machine.memoryBytes >> 30) GiB, Linux \(machine.kernel)")
    }

    mutating func add(_ result: ContestResult) {
        contests.append(result)
        let load = String(format: "load %.1f", result.loadAverage)
        print("\n\(result.name)  (\(result.rounds) rounds, \(load))")
        for time in result.times {
            let rate = result.bytes.map { bytes in
                String(format: "%8.2f GB/s", Double(bytes) / time.medianSeconds / 1e9)
            }
            print(
                "  " + padded(time.variant, 44) + readable(seconds: time.medianSeconds)
                    + (rate ?? String(format: "%8.0f /s", 1 / time.medianSeconds)))
        }
        for ratio in result.ratios { print("  " + line(ratio)) }
    }

    mutating func add(checksums found: [String], of session: String) {
        checksums[session] = found
        print("  average of \(session) is right: " + found.joined(separator: " "))
    }

    mutating func add(_ cost: IdleCost) {
        idleCost = cost
        print("\nidle session of a 1 MB model, \(cost.sessions) sessions")
        print(
            "  \(cost.bytesPerSession) bytes each, \(cost.bytesBeyondBuffers) beyond its buffers"
                + "  (wanted ≤ \(IdleCost.wantedBytes): "
                + "\(cost.bytesBeyondBuffers <= IdleCost.wantedBytes ? "met" : "MISSED"))")
    }

    mutating func skip(_ line: String) {
        skipped.append(line)
        print("skipped: \(line)")
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private func print(_ line: String) {
        guard printing else { return }
        Swift.print(line)
        fflush(nil)
    }

    private func line(_ ratio: ContestResult.Ratio) -> String {
        let values = String(
            format: "%6.2f  [%.2f–%.2f]", ratio.median, ratio.lowerQuartile, ratio.upperQuartile)
        let name =
            ratio.measure == "time"
            ? "\(ratio.subject) / \(ratio.reference)"
            : "\(ratio.subject), times as fast as \(ratio.reference)"
        guard let target = ratio.target, let met = ratio.met else {
            return padded(name, 56) + values
        }
        let wanted = String(format: ratio.measure == "time" ? "≤ %.2f" : "≥ %.2f", target)
        return padded(name, 56) + values + "  wanted \(wanted): " + (met ? "met" : "MISSED")
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private func readable(seconds: Double) -> String {
        switch seconds {
        case ..<1e-3: String(format: "%8.1f µs", seconds * 1e6)
        case ..<1: String(format: "%8.2f ms", seconds * 1e3)
        default: String(format: "%8.3f s ", seconds)
        }
    }
}
