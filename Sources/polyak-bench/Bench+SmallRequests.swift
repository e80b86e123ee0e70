import CBench
import Foundation

extension Bench {
    /// `/livez` and a 304 at several numbers of connections, against nginx's `return 200`.
    func smallRequests() throws {
        let session = try Session("small", service: service)
        try session.addTrainer().upload(
            Model(elements: 10_000, tensors: 8, type: .float32, seed: 0))
        let entityTag = try Connection(port: service.port).entityTag(session.averagePath)
        let nginx = peer("nginx") { try Peer.nginx(root: "/", folder: folder) }
        let requests = quick ? 200 : 20_000
        for connections in quick ? [1, 16] : [1, 64, 512] {
            let live = Load(port: service.port, connections, target: "/livez")
            let cached = Load(
                port: service.port, connections, target: session.averagePath,
                fields: "If-None-Match: \(entityTag)\r\n", status: 304)
            var variants = try [
                live.variant("polyak /livez", requests: requests),
                cached.variant("polyak 304", requests: requests),
            ]
            if let nginx {
                let plain = Load(port: nginx.port, connections, target: "/livez")
                variants.insert(
                    try plain.variant("nginx return 200", requests: requests), at: 0)
            }
            report.add(
                try contest(
                    "small requests, \(connections) connections", rounds: rounds,
                    variants: variants,
                    comparisons: ["polyak /livez", "polyak 304"].map { subject in
                        Comparison(subject, to: "nginx return 200", .speed(atLeast: 1.0))
                    }))
        }
        try finish(session)
    }
}

/// A keep-alive load on one request, its connections open from the beginning.
private struct Load {
    let port: Int
    let connections: Int
    let request: String
    let status: Int

    init(port: Int, _ connections: Int, target: String, fields: String = "", status: Int = 200) {
        self.port = port
        self.connections = connections
        self.status = status
        request = "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
    }

    func variant(_ name: String, requests: Int) throws -> Variant {
        let load = OpenLoad(try open())
        return Variant(name: name) {
            let start = ContinuousClock.now
            try BenchError.check(name, bench_load_run(load.handle, Int32(requests)))
            return (ContinuousClock.now - start) / requests
        }
    }

    private func open() throws(BenchError) -> OpaquePointer {
        guard
            let load = bench_load_open(Int32(port), Int32(connections), request, Int32(status))
        else { throw .systemCall("open \(connections) connections to port \(port)", errno) }
        return load
    }
}

/// Owns a load's connections.
private final class OpenLoad {
    let handle: OpaquePointer

    init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    deinit { bench_load_close(handle) }
}
