import Foundation

/// What a session costs that does nothing.
struct IdleCost: Encodable {
    static let wantedBytes = 32_000

    let sessions: Int
    /// Proportional set size and runtime directory together.
    let bytesPerSession: Int
    /// The same without the two buffers of its average.
    let bytesBeyondBuffers: Int
}

extension Bench {
    /// Creates many sessions with a model of 1 MB and looks at what the service grew by.
    func idleCost() throws {
        let elements = 250_000
        let count = quick ? 4 : 64
        let model = try Model(elements: elements, tensors: 20, type: .float32, seed: 0)
        func fill(_ prefix: String, _ count: Int) throws -> [Session] {
            try (0..<count).map { index in
                let session = try Session("\(prefix)-\(index)", service: service)
                let trainer = try session.addTrainer()
                try trainer.upload(model)
                try trainer.upload(model)
                return session
            }
        }
        // The first sessions pay for what all of them share.
        let first = try fill("idle-first", count / 2)
        let before = try heldBytes()
        let measured = try fill("idle", count)
        let grown = (try heldBytes() - before) / count
        report.add(
            IdleCost(
                sessions: count, bytesPerSession: grown,
                bytesBeyondBuffers: grown - 2 * elements * 4))
        for session in first + measured { try session.delete() }
    }

    /// The service's proportional set size outside its runtime directory, and what that holds.
    private func heldBytes() throws -> Int {
        let maps = try String(
            contentsOfFile: "/proc/\(service.process.id)/smaps", encoding: .utf8)
        let directory = service.runtimeDirectory
        var isSlot = false
        var bytes = 0
        for line in maps.split(separator: "\n") {
            if line.hasPrefix("Pss:") {
                let kilobytes = line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                if !isSlot { bytes += (kilobytes ?? 0) * 1024 }
            } else if line.split(separator: " ").first?.contains("-") == true {
                // A deleted file is in no directory any more, but costs memory.
                isSlot = line.contains(directory) && !line.hasSuffix("(deleted)")
            }
        }
        let files = FileManager.default.enumerator(atPath: directory)
        for case let name as String in files ?? .init() {
            var status = stat()
            if lstat(directory + "/" + name, &status) == 0 { bytes += Int(status.st_blocks) * 512 }
        }
        return bytes
    }
}
