import Foundation

/// nghttp2's load generator: the same program for both versions, unlike the loop in C that the
/// other rows use.
struct H2Load {
    let program: String

    /// Nil when it is not installed.
    init?() {
        guard let program = findProgram("h2load") else { return nil }
        self.program = program
    }

    /// GETs of `target` over `connections` with `streams` requests under way on each.
    func variant(
        _ name: String, port: Int, target: String, requests: Int, connections: Int, streams: Int,
        http1: Bool = false
    ) -> Variant {
        Variant(name: name) {
            var arguments = [
                "-n", String(requests), "-c", String(connections), "-m", String(streams),
            ]
            if http1 { arguments.append("--h1") }
            let output = try run(arguments + ["http://127.0.0.1:\(port)\(target)"])
            guard output.contains("\(requests) succeeded, 0 failed"),
                let line = output.split(separator: "\n").first(where: { $0.contains("req/s") }),
                let rate = line.split(separator: ", ").first(where: { $0.hasSuffix(" req/s") }),
                let value = Double(rate.dropLast(" req/s".count)), value > 0
            else { throw BenchError.unreadableAnswer(output) }
            return .seconds(1 / value)
        }
    }

    private func run(_ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
