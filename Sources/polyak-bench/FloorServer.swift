import ArgumentParser
import CBench
import Foundation

/// The floor as a process of its own, started by the benchmark.
struct FloorServer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "floor-server",
        abstract: "Drops every body; answers GET with a file by sendfile.")

    @Option(help: "What a GET is answered with; best on /dev/shm.")
    var file: String

    @Option(help: "How long a piece of a body is looked for before the thread sleeps.")
    var busyMicroseconds: Int32 = 0

    func run() throws {
        let served = open(file, O_RDONLY)
        guard served >= 0 else { throw BenchError.systemCall("open \(file)", errno) }
        let length = lseek(served, 0, SEEK_END)
        var port: Int32 = 0
        let listener = try BenchError.check("listen", bench_floor_listen(&port))
        FileHandle.standardError.write(Data("listening on http://127.0.0.1:\(port)\n".utf8))
        try BenchError.check(
            "accept", bench_floor_serve(listener, served, Int(length), busyMicroseconds))
    }
}
