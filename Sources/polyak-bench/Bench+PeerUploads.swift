import Foundation

extension Bench {
    /// The service against what one would otherwise use or write.
    func peers() throws {
        let size = largest
        let models = try size.models(.float32)
        let session = try Session("peers", service: service)
        let trainer = try session.addTrainer()
        var variants = [size.variant("polyak", models, trainer.upload)]
        var comparisons: [Comparison] = []
        func add(_ name: String, _ limit: Double?, _ upload: @escaping (Model) throws -> Void) {
            variants.append(size.variant(name, models, upload))
            comparisons.append(Comparison("polyak", to: name, .speed(atLeast: limit)))
        }

        let scripts: [(String, String, [String], Double?)] = [
            ("FastAPI + torch", "fastapi_torch.py", ["asyncio", "h11"], 3.8),
            ("FastAPI, uvloop + torch", "fastapi_torch.py", ["uvloop", "httptools"], nil),
            ("aiohttp + torch", "aiohttp_torch.py", [], nil),
        ]
        for (name, script, options, limit) in scripts {
            let started = peer(name) {
                try Peer.python(
                    peersFolder + "/" + script, options, interpreter: interpreter,
                    largestBody: size.bytes, folder: folder)
            }
            guard let started else { continue }
            let connection = Connection(port: started.port)
            add(name, quick ? nil : limit) { model in
                _ = started
                try connection.succeed("POST", "/parameters", body: model.data)
            }
        }
        if let redis = peer("redis", { try Peer.redis(folder: folder) }) {
            let connection = Connection(port: redis.port)
            add("redis SET", quick ? nil : 2.2) { model in
                _ = redis
                try connection.redisSet(model.data)
            }
        }
        let root = folder.path + "/put"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        if let nginx = peer("nginx", { try Peer.nginx(root: root, folder: folder) }) {
            let connection = Connection(port: nginx.port)
            add("nginx PUT", nil) { model in
                _ = nginx
                try connection.succeed("PUT", "/model", body: model.data)
            }
        }
        report.add(
            try contest(
                "upload \(size.name) F32 against peers", bytes: size.bytes, rounds: rounds,
                variants: variants, comparisons: comparisons))
        try FileManager.default.removeItem(atPath: root)
        try finish(session)
    }
}
