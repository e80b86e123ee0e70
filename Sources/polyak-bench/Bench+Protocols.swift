import CBench
import Foundation

extension Bench {
    /// The same model over HTTP/1.1 and HTTP/2, plain and encrypted, up and down, and small
    /// requests over both.
    func protocols() throws {
        for size in quick ? [.quick] : [ModelSize.medium, .huge] { try transfers(size) }
        try smallRequestsOverHTTP2()
    }

    private func transfers(_ size: ModelSize) throws {
        let models = try size.models(.float32)
        let session = try Session("protocols-\(size.bytes)", service: service)
        var wires: [(name: String, connection: Connection)] = [
            ("HTTP/1.1", Connection(port: service.port)),
            ("HTTP/2", Connection(port: service.port, wire: .http2)),
        ]
        if let port = service.encryptedPort {
            wires.append(("HTTP/1.1, TLS", Connection(port: port, encrypted: true)))
            wires.append(("HTTP/2, TLS", Connection(port: port, wire: .http2, encrypted: true)))
        } else {
            report.skip("TLS: the openssl command is not installed")
        }
        let isLargest = size.bytes == ModelSize.huge.bytes
        let comparisons = { (limit: Double?) in
            [
                Comparison("HTTP/2", to: "HTTP/1.1", .time(atMost: isLargest ? limit : nil)),
                Comparison("HTTP/1.1, TLS", to: "HTTP/1.1", .time(atMost: nil)),
                Comparison("HTTP/2, TLS", to: "HTTP/1.1, TLS", .time(atMost: nil)),
                Comparison("HTTP/1.1, TLS", to: "encryption alone", .time(atMost: nil)),
            ]
        }
        let encryption = size.variant("encryption alone", models) { model in
            let bytes = model.file.bytes
            try BenchError.check("encrypt", bench_seal(bytes.baseAddress, bytes.count))
        }
        report.add(
            try contest(
                "upload \(size.name) F32 by protocol", bytes: size.bytes, rounds: rounds,
                variants: wires.map { wire in
                    size.variant(wire.name, models, session.addTrainer(wire.connection).upload)
                } + [encryption],
                comparisons: comparisons(1.15)))
        report.add(
            try contest(
                "GET \(size.name) by protocol", bytes: size.bytes, rounds: rounds,
                variants: wires.map { wire in
                    download(wire.name, wire.connection, target: session.averagePath, size)
                },
                comparisons: comparisons(nil)))
        try finish(session)
    }

    private func smallRequestsOverHTTP2() throws {
        guard let h2load = H2Load() else { return report.skip("h2load is not installed") }
        let nginx = peer("nginx") { try Peer.nginx(root: "/", folder: folder) }
        let requests = quick ? 1_000 : 50_000
        for (connections, streams) in quick ? [(1, 1), (4, 8)] : [(1, 1), (16, 1), (16, 32)] {
            func variant(_ name: String, port: Int, http1: Bool = false) -> Variant {
                h2load.variant(
                    name, port: port, target: "/livez", requests: requests,
                    connections: connections, streams: streams, http1: http1)
            }
            var variants = [variant("polyak HTTP/2", port: service.port)]
            // Over HTTP/1.1 it would pipeline.
            if streams == 1 {
                variants.append(variant("polyak HTTP/1.1", port: service.port, http1: true))
            }
            if let nginx { variants.append(variant("nginx HTTP/2", port: nginx.http2Port)) }
            report.add(
                try contest(
                    "h2load, \(connections) connections of \(streams) streams", rounds: rounds,
                    variants: variants,
                    comparisons: [
                        Comparison("polyak HTTP/2", to: "nginx HTTP/2", .speed(atLeast: nil)),
                        Comparison("polyak HTTP/2", to: "polyak HTTP/1.1", .speed(atLeast: nil)),
                    ]))
        }
    }
}
