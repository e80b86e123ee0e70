import Foundation

extension Bench {
    /// Uploads of every size: against the floor, BF16 against F32, four averages against one.
    func uploads() throws {
        for size in sizes {
            let models = try size.models(.float32)
            let single = try Session("upload-f32-\(size.bytes)", service: service)
            let trainer = try single.addTrainer()
            try uploadsAgainstFloor(
                size, models, trainer, unix: single.addTrainer(unixSocket: true))
            try halfPrecision(size, models, trainer)
            try fourAverages(size, models, trainer)
            try finish(single)
        }
    }

    private func uploadsAgainstFloor(
        _ size: ModelSize, _ models: [Model], _ trainer: Trainer, unix: Trainer
    ) throws {
        let floor = try floor(serving: "/dev/null")
        let busyFloor = try self.floor(serving: "/dev/null", busyMicroseconds: 200)
        let limit: Double? =
            switch size.bytes {
            case ModelSize.huge.bytes: 1.10
            case ModelSize.medium.bytes, ModelSize.small.bytes: 1.5
            default: nil
            }
        report.add(
            try contest(
                "upload \(size.name) F32, one average", bytes: size.bytes, rounds: rounds,
                variants: [
                    size.variant("floor: body dropped", models, dropping(floor)),
                    size.variant("floor that looks busily", models, dropping(busyFloor)),
                    size.variant("polyak", models, trainer.upload),
                    size.variant("polyak, Unix socket", models, unix.upload),
                ],
                comparisons: [
                    Comparison("polyak", to: "floor: body dropped", .time(atMost: limit)),
                    Comparison("polyak", to: "floor that looks busily", .time(atMost: nil)),
                    Comparison("polyak, Unix socket", to: "polyak", .time(atMost: nil)),
                ]))
    }

    private func dropping(_ floor: Floor) -> (Model) throws -> Void {
        let connection = Connection(port: floor.port)
        return { model in
            try connection.succeed(
                "POST", "/", fields: "Content-Type: application/vnd.safetensors\r\n",
                body: UnsafeRawBufferPointer(model.file.bytes))
        }
    }

    private func halfPrecision(_ size: ModelSize, _ models: [Model], _ trainer: Trainer) throws {
        let halves = try size.models(.bfloat16)
        let session = try Session("upload-bf16-\(size.bytes)", service: service)
        let other = try session.addTrainer()
        report.add(
            try contest(
                "upload \(size.name) of parameters, BF16 against F32", rounds: rounds,
                variants: [
                    size.variant("F32", models, trainer.upload),
                    size.variant("BF16", halves, other.upload),
                ],
                comparisons: [
                    Comparison(
                        "BF16", to: "F32",
                        .time(atMost: size.bytes == ModelSize.huge.bytes ? 0.70 : nil))
                ]))
        try finish(session)
    }

    private func fourAverages(_ size: ModelSize, _ models: [Model], _ trainer: Trainer) throws {
        let session = try Session(
            "upload-4-averages-\(size.bytes)", service: service, decays: [0.9, 0.99, 0.999, 0.9999])
        let other = try session.addTrainer()
        report.add(
            try contest(
                "upload \(size.name) F32, four averages against one", bytes: size.bytes,
                rounds: rounds,
                variants: [
                    size.variant("one average", models, trainer.upload),
                    size.variant("four averages", models, other.upload),
                ],
                comparisons: [
                    Comparison(
                        "four averages", to: "one average",
                        .time(atMost: size.bytes == ModelSize.huge.bytes ? 2.4 : nil))
                ]))
        try finish(session)
    }
}
