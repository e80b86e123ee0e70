import Foundation

/// Where the figures were taken.
struct Machine: Encodable {
    let processor: String
    let cores: Int
    let kernel: String
    let memoryBytes: UInt64

    init() {
        let description = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = description.split(separator: "\n").first { $0.hasPrefix("model name") }
        processor =
            model?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
            ?? "unknown processor"
        cores = ProcessInfo.processInfo.processorCount
        let release = try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)
        kernel = (release ?? "unknown").trimmingCharacters(in: .whitespacesAndNewlines)
        memoryBytes = ProcessInfo.processInfo.physicalMemory
    }

    /// Processes that wanted to run during the last minute; above the cores' number minus what the
    /// benchmark itself needs, others disturb it.
    static var load: Double {
        var loads = [0.0]
        return getloadavg(&loads, 1) == 1 ? loads[0] : .nan
    }
}
