import CBench
import Foundation

extension Bench {
    /// Models that lie in shared memory already, against the same models sent over a socket.
    func uploadsByReference() throws {
        for size in quick ? [.quick] : [ModelSize.medium, .huge] {
            try uploadsByReference(size)
        }
    }

    private func uploadsByReference(_ size: ModelSize) throws {
        let models = try size.models(.float32)
        let session = try Session("upload-by-reference-\(size.bytes)", service: service)
        let sender = try session.addTrainer()
        let naming = try session.addTrainer()
        let passing = try session.addTrainer(unixSocket: true)
        let places = try models.enumerated().map { index, model in
            try Place(model, file: write(model, as: "reference-\(size.bytes)-\(index)"))
        }
        // The copies of the models in shared memory stand for the parameters of a trainer.
        func variant(_ name: String, _ upload: @escaping (Place) throws -> Void) -> Variant {
            var uploaded = 0
            return Variant(name: name) {
                try timed(size.uploadsPerSample) { _ in
                    try upload(places[uploaded % places.count])
                    uploaded += 1
                }
            }
        }
        let isGoal = size.bytes == ModelSize.huge.bytes
        let sealed = "by reference: sealed memfd"
        let read = "by reference: pread"
        report.add(
            try contest(
                "upload \(size.name) F32 by reference", bytes: size.bytes, rounds: rounds,
                variants: [
                    variant("socket") { try sender.upload($0.model) },
                    variant(sealed) { place in
                        try passing.upload(
                            place.model, by: Array(#"{"descriptor": 0}"#.utf8),
                            passing: place.memfd)
                    },
                    variant(read) { place in
                        try naming.upload(
                            place.model, by: Array("{\"path\": \"\(place.file)\"}".utf8))
                    },
                ],
                comparisons: [
                    Comparison(sealed, to: "socket", .time(atMost: isGoal ? 0.35 : nil)),
                    Comparison(read, to: "socket", .time(atMost: isGoal ? 0.6 : nil)),
                ]))
        try finish(session)
        for place in places { try FileManager.default.removeItem(atPath: place.file) }
    }
}

/// A model in both places that a trainer can refer to.
private final class Place {
    let model: Model
    let file: String
    let memfd: Int32

    init(_ model: Model, file: String) throws(BenchError) {
        self.model = model
        self.file = file
        memfd = try BenchError.check(
            "memfd", bench_memfd(model.file.bytes.baseAddress, model.file.bytes.count))
    }

    deinit { close(memfd) }
}
