import CBench
import Foundation

/// A program that the benchmark starts and stops; its output goes to a file.
///
/// It gets SIGTERM when the thread that started it ends, however that happens.
final class ChildProcess {
    let program: String
    let id: pid_t
    private let log: String

    init(_ arguments: [String], log: String) throws(BenchError) {
        program = arguments[0]
        self.log = log
        var words: [UnsafePointer<CChar>?] = arguments.map { UnsafePointer(strdup($0)) }
        defer { for word in words { free(UnsafeMutableRawPointer(mutating: word)) } }
        words.append(nil)
        id = try BenchError.check("start \(arguments[0])", bench_spawn(words, log))
    }

    deinit { stop() }

    /// What it wrote so far.
    var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// Asks until `ready` gives something; fails when the program ends or needs a minute.
    func awaitReady<Value>(_ ready: (ChildProcess) -> Value?) throws(BenchError) -> Value {
        let deadline = ContinuousClock.now + .seconds(60)
        while kill(id, 0) == 0, waitpid(id, nil, WNOHANG) == 0, ContinuousClock.now < deadline {
            if let value = ready(self) { return value }
            usleep(10_000)
        }
        throw .notReady(program: program, log: output)
    }

    /// Ends it; a second call does nothing.
    func stop() {
        guard waitpid(id, nil, WNOHANG) == 0 else { return }
        kill(id, SIGTERM)
        waitpid(id, nil, 0)
    }
}

/// A folder that is removed with everything in it when the last user lets go of it.
final class TemporaryFolder {
    let path: String
    /// For models that servers read.
    var files: String { path + "/files" }

    /// - Parameter parent: an existing folder.
    init(in parent: String) throws(BenchError) {
        path = parent + "/polyak-bench-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        guard mkdir(path, 0o700) == 0, mkdir(files, 0o700) == 0 else {
            throw .systemCall("mkdir \(path)", errno)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
