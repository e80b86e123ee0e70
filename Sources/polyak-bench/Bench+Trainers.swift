import Foundation

extension Bench {
    /// Several trainers at once, on one session and on a session each; the time is that of one
    /// upload when all of them are done, whoever sent them.
    func trainers() throws {
        let size: ModelSize = quick ? .tiny : .large
        let models = try size.models(.float32)
        let floor = try floor(serving: "/dev/null")
        for count in quick ? [1, 4] : [1, 4, 16] {
            let uploads = 16 / count
            let discarding = (0..<count).map { _ in Connection(port: floor.port) }
            let shared = try Session("trainers-shared-\(count)", service: service)
            let together = try (0..<count).map { _ in try shared.addTrainer() }
            let own = try (0..<count).map { index in
                try Session("trainers-own-\(count)-\(index)", service: service)
            }
            let apart = try own.map { try $0.addTrainer() }
            report.add(
                try contest(
                    "\(count) trainers at once, \(size.name) F32", bytes: size.bytes,
                    rounds: rounds,
                    variants: [
                        Variant(name: "floor: body dropped") {
                            try sample(count, uploads, models) { index, model in
                                try discarding[index].succeed(
                                    "POST", "/", body: UnsafeRawBufferPointer(model.file.bytes))
                            }
                        },
                        Variant(name: "polyak, one session") {
                            try sample(count, uploads, models) { try together[$0].upload($1) }
                        },
                        Variant(name: "polyak, a session each") {
                            try sample(count, uploads, models) { try apart[$0].upload($1) }
                        },
                    ],
                    comparisons: ["polyak, one session", "polyak, a session each"].map {
                        Comparison($0, to: "floor: body dropped", .time(atMost: nil))
                    }))
            for session in [shared] + own { try finish(session) }
        }
    }
}

private func sample(
    _ count: Int, _ uploads: Int, _ models: [Model],
    _ upload: @escaping @Sendable (Int, Model) throws -> Void
) throws -> Duration {
    let whole = try timed { _ in
        try onThreads(count) { thread in
            for index in 0..<uploads { try upload(thread, models[(thread + index) % models.count]) }
        }
    }
    return whole / (count * uploads)
}
