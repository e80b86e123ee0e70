import ArgumentParser
import Foundation

@main
struct PolyakBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "polyak-bench",
        abstract: "Measures the service against the floor and against peers, in turn.",
        subcommands: [Run.self, FloorServer.self],
        defaultSubcommand: Run.self)
}

/// A part of the benchmark that can be run alone.
enum Group: String, CaseIterable, ExpressibleByArgument {
    case uploads, reference, downloads, small, trainers, readers, durability, protocols, peers, idle

    func run(_ bench: Bench) throws {
        switch self {
        case .uploads: try bench.uploads()
        case .reference: try bench.uploadsByReference()
        case .downloads: try bench.downloads()
        case .small: try bench.smallRequests()
        case .trainers: try bench.trainers()
        case .readers: try bench.readersDuringUploads()
        case .durability: try bench.durability()
        case .protocols: try bench.protocols()
        case .peers: try bench.peers()
        case .idle: try bench.idleCost()
        }
    }
}

struct RunOptions: ParsableArguments {
    @Flag(help: "Tiny sizes and few rounds: shows that everything works, measures nothing.")
    var quick = false

    @Flag(help: "One JSON document at the end instead of tables.")
    var json = false

    @Option(
        parsing: .upToNextOption,
        help: "Only these groups: \(Group.allCases.map(\.rawValue).joined(separator: ", ")).")
    var only: [Group] = []

    @Option(help: "How often the variants of a row run in turn; 21, or 3 with --quick.")
    var rounds: Int?

    @Option(help: "The service's program; by default the one beside this program.")
    var polyak: String?

    @Option(help: "The virtual environment of the Python peers.")
    var venv = ".venv-bench"

    @Option(help: "The folder of the Python peers.")
    var peers = "Tests/bench"

    func validate() throws {
        guard rounds ?? 1 >= 1 else { throw ValidationError("--rounds must be at least 1.") }
    }
}

/// Runs the rows; fails when an average of the service is not what it must be.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the rows; fails when an average of the service is wrong.")

    @OptionGroup var options: RunOptions

    func run() throws {
        let folder = try TemporaryFolder(in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
        let interruption = removeWhenInterrupted(folder)
        defer { interruption.forEach { $0.cancel() } }
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let bench = try Bench(
            options: options, ownProgram: program, folder: folder,
            report: Report(quick: options.quick, printing: !options.json))
        for group in options.only.isEmpty ? Group.allCases : options.only {
            try group.run(bench)
        }
        if options.json { print(try bench.report.json) }
    }

    /// The folder lies in memory, so it must not outlive an interrupted run.
    private func removeWhenInterrupted(_ folder: TemporaryFolder) -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            let path = folder.path
            source.setEventHandler {
                try? FileManager.default.removeItem(atPath: path)
                _exit(128 + number)
            }
            source.resume()
            return source
        }
    }
}
