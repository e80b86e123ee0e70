import Foundation

extension Bench {
    /// GET of an average against files of the same size sent by nginx and by the floor.
    ///
    /// The client drops what it reads through a hot buffer, so that the server's part is large.
    func downloads() throws {
        for size in sizes {
            let model = try Model(
                elements: size.elements, tensors: size.tensors, type: .float32, seed: 0)
            let session = try Session("download-\(size.bytes)", service: service)
            let trainer = try session.addTrainer()
            try trainer.upload(model)
            let file = try write(model, as: "model")
            defer { unlink(file) }
            let root = URL(fileURLWithPath: file).deletingLastPathComponent().path
            let nginx = peer("nginx") { try Peer.nginx(root: root, folder: folder) }
            let floor = try floor(serving: file)
            var variants = [
                download("floor: sendfile", Connection(port: floor.port), target: "/", size),
                download(
                    "polyak", Connection(port: service.port), target: session.averagePath, size),
            ]
            if let nginx {
                variants.insert(
                    download(
                        "nginx: sendfile", Connection(port: nginx.port), target: "/model", size),
                    at: 0)
            }
            let limit = size.bytes == ModelSize.huge.bytes ? 1.05 : nil
            report.add(
                try contest(
                    "GET \(size.name)", bytes: size.bytes, rounds: rounds, variants: variants,
                    comparisons: [
                        Comparison("polyak", to: "nginx: sendfile", .time(atMost: limit)),
                        Comparison("polyak", to: "floor: sendfile", .time(atMost: nil)),
                    ]))
            try finish(session)
        }
    }

    /// GETs of `target`, read and dropped.
    func download(
        _ name: String, _ connection: Connection, target: String, _ size: ModelSize
    ) -> Variant {
        Variant(name: name) {
            try timed(size.uploadsPerSample) { _ in
                let length = try connection.succeed("GET", target).length
                guard length >= size.bytes else {
                    throw BenchError.unreadableAnswer("of \(length) bytes")
                }
            }
        }
    }
}
