import Foundation
import Synchronization

extension Bench {
    /// Uploads while another client reads the average all the time. The floor with a sendfile
    /// reader tells what sharing memory and two cores costs anyway.
    func readersDuringUploads() throws {
        let size = largest
        let models = try size.models(.float32)
        let session = try Session("readers", service: service)
        let trainer = try session.addTrainer()
        try trainer.upload(models[0])
        let file = try write(models[0], as: "model")
        defer { unlink(file) }
        let floor = try floor(serving: file)
        let discarding = Connection(port: floor.port)
        let send: (Model) throws -> Void = { model in
            try discarding.succeed("POST", "/", body: UnsafeRawBufferPointer(model.file.bytes))
        }
        report.add(
            try contest(
                "upload \(size.name) F32 during GETs of it", bytes: size.bytes, rounds: rounds,
                variants: [
                    size.variant("floor, alone", models, send),
                    size.variant("floor, read from", models, send)
                        .whileReading(port: floor.port, "/"),
                    size.variant("polyak, alone", models, trainer.upload),
                    size.variant("polyak, read from", models, trainer.upload)
                        .whileReading(port: service.port, session.averagePath),
                ],
                comparisons: [
                    Comparison("floor, read from", to: "floor, alone", .time(atMost: nil)),
                    Comparison("polyak, read from", to: "polyak, alone", .time(atMost: nil)),
                ]))
        try finish(session)
    }
}

extension Variant {
    /// The same while a thread GETs `target` over and over, from its first answer on.
    fileprivate func whileReading(port: Int, _ target: String) -> Variant {
        Variant(name: name) {
            let reader = Reader()
            let started = DispatchSemaphore(value: 0)
            let ended = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                reader.run(port: port, target, started: started)
                ended.signal()
            }
            started.wait()
            defer {
                reader.stopping.store(true, ordering: .relaxed)
                ended.wait()
            }
            let duration = try sample()
            if let failure = reader.failure.withLock({ $0 }) { throw failure }
            return duration
        }
    }
}

private final class Reader: Sendable {
    let stopping = Atomic(false)
    let failure = Mutex<BenchError?>(nil)

    func run(port: Int, _ target: String, started: DispatchSemaphore) {
        do throws(BenchError) {
            let connection = Connection(port: port)
            try connection.succeed("GET", target)
            started.signal()
            while !stopping.load(ordering: .relaxed) { try connection.succeed("GET", target) }
        } catch {
            failure.withLock { $0 = error }
            started.signal()
        }
    }
}
