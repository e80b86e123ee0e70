import Foundation

/// What all groups of rows share.
final class Bench {
    let quick: Bool
    let rounds: Int
    let ownProgram: String
    let polyakProgram: String
    let peersFolder: String
    let interpreter: String
    /// On tmpfs, for what must not touch a disk.
    let folder: TemporaryFolder
    let service: Service
    var report: Report

    init(
        options: RunOptions, ownProgram: String, folder: TemporaryFolder, report: Report
    ) throws {
        quick = options.quick
        rounds = options.rounds ?? (options.quick ? 3 : 21)
        self.ownProgram = ownProgram
        peersFolder = options.peers
        interpreter = options.venv + "/bin/python"
        self.folder = folder
        self.report = report
        let besides = URL(fileURLWithPath: ownProgram).deletingLastPathComponent().path + "/polyak"
        polyakProgram = options.polyak ?? besides
        service = try Service(program: polyakProgram, folder: folder)
    }

    var sizes: [ModelSize] { quick ? [.tiny, .quick] : [.small, .medium, .large, .huge] }
    /// For the rows of one size.
    var largest: ModelSize { quick ? .quick : .huge }

    /// The floor; a GET returns the file.
    ///
    /// - Parameter busyMicroseconds: how long it looks for more of a body before it sleeps.
    func floor(serving file: String, busyMicroseconds: Int = 0) throws -> Floor {
        try Floor(
            program: ownProgram, file: file, busyMicroseconds: busyMicroseconds, folder: folder)
    }

    /// Writes a model to tmpfs and gives the file's path.
    func write(_ model: Model, as name: String) throws -> String {
        let path = folder.files + "/" + name
        try Data(UnsafeRawBufferPointer(model.file.bytes)).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// A peer, or nil and a line in the report when it is not installed or does not start.
    func peer(_ name: String, _ start: () throws -> Peer?) -> Peer? {
        do {
            if let peer = try start() { return peer }
            report.skip("\(name) is not installed (Tests/bench/install-peers)")
        } catch {
            report.skip("\(name): \(error)")
        }
        return nil
    }

    /// Checks the session's averages and deletes it.
    func finish(_ session: Session) throws {
        report.add(checksums: try session.verify(), of: session.name)
        try session.delete()
    }
}
