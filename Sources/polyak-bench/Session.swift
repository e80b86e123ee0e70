import CBench
import Foundation

/// One session of the service, and what is needed to check its averages in the end.
final class Session {
    let name: String
    private let service: Service
    private let decays: [Double]
    private(set) var trainers: [Trainer] = []

    /// Creates it with an exponential average for each decay, and else the default settings.
    init(
        _ name: String, service: Service, decays: [Double] = [0.999], durability: String = "process"
    ) throws {
        self.name = name
        self.service = service
        self.decays = decays
        let averages = decays.enumerated().map { index, decay in
            #""a\#(index)":{"rule":{"name":"ema","decay":\#(decay)}}"#
        }
        let settings =
            #"{"averages":{\#(averages.joined(separator: ","))},"non_finite":"refuse","#
            + #""durability":"\#(durability)"}"#
        try Array(settings.utf8).withUnsafeBytes { body in
            _ = try control().succeed(
                "PUT", "/v1/sessions/\(name)", fields: "Content-Type: application/json\r\n",
                body: body)
        }
    }

    /// A fresh connection: one kept from the creation on may have idled too long by the end.
    private func control() -> Connection { Connection(port: service.port) }

    /// The path of the first average.
    var averagePath: String { averagePath(0) }

    private func averagePath(_ index: Int) -> String { "/v1/sessions/\(name)/averages/a\(index)" }

    /// A trainer with a connection of its own.
    func addTrainer(unixSocket: Bool = false) throws -> Trainer {
        addTrainer(
            unixSocket ? Connection(path: service.socketPath) : Connection(port: service.port))
    }

    /// A trainer that uses `connection`, which is nobody else's meanwhile.
    func addTrainer(_ connection: Connection) -> Trainer {
        let trainer = Trainer(session: name, number: trainers.count, connection: connection)
        trainers.append(trainer)
        return trainer
    }

    /// Fetches every average and compares it with the one computed here; gives their checksums.
    func verify() throws -> [String] {
        let uploads = try trainers.flatMap { try $0.committed() }
            .sorted { $0.revision < $1.revision }.map(\.model)
        let room = try TouchedBuffer(count: (uploads.first?.elements ?? 0) * 4 + 1 << 20)
        return try decays.indices.map { index in
            let oracle = Oracle(decay: decays[index], uploads: uploads)
            let answer = try control().exchange("GET", averagePath(index), keeping: room.bytes)
            let body = UnsafeRawBufferPointer(rebasing: room.bytes.prefix(answer.length))
            guard answer.status == 200 else {
                throw BenchError.unexpectedStatus(
                    request: "GET \(averagePath(index))", status: Int(answer.status),
                    body: String(decoding: body.prefix(500), as: UTF8.self))
            }
            if let difference = oracle.difference(from: body) {
                throw BenchError.wrongAverage(session: name, detail: "a\(index): \(difference)")
            }
            return oracle.checksum
        }
    }

    func delete() throws {
        try control().succeed("DELETE", "/v1/sessions/\(name)")
    }
}

/// Uploads models to one session under one trainer name; used by one thread at a time.
final class Trainer: @unchecked Sendable {
    let connection: Connection
    private let target: String
    private var step = 0
    private var answers: [(model: Model, text: String)] = []

    init(session: String, number: Int, connection: Connection) {
        self.connection = connection
        target = "/v1/sessions/\(session)/parameters?trainer=t\(number)&step="
    }

    func upload(_ model: Model) throws(BenchError) {
        try upload(
            model, type: "application/vnd.safetensors",
            body: UnsafeRawBufferPointer(model.file.bytes))
    }

    /// Uploads a model that lies where the JSON document `reference` says, in a file beneath the
    /// service's allowed directory or in the passed descriptor.
    func upload(
        _ model: Model, by reference: [UInt8], passing descriptor: Int32 = -1
    ) throws(BenchError) {
        try reference.withUnsafeBufferPointer { body throws(BenchError) in
            try upload(
                model, type: "application/vnd.polyak.local-file+json",
                body: UnsafeRawBufferPointer(body), passing: descriptor)
        }
    }

    private func upload(
        _ model: Model, type: String, body: UnsafeRawBufferPointer, passing descriptor: Int32 = -1
    ) throws(BenchError) {
        step += 1
        let answer = try connection.succeed(
            "POST", target + String(step), fields: "Content-Type: \(type)\r\n", body: body,
            passing: descriptor)
        answers.append((model, answer.text))
    }

    /// What was uploaded and the revision that it made, which tells the order between trainers.
    func committed() throws(BenchError) -> [(model: Model, revision: Int)] {
        try answers.map { answer throws(BenchError) in
            guard let members = answer.text.range(of: #""revision":"#),
                let revision = Int(
                    answer.text[members.upperBound...].drop { $0 == " " }.prefix(while: \.isNumber))
            else { throw .unreadableAnswer(answer.text) }
            return (answer.model, revision)
        }
    }
}
