import Foundation

/// `polyak serve` as users get it, in a process of its own, on TCP and on a Unix socket.
final class Service {
    let process: ChildProcess
    let port: Int
    let socketPath: String
    let runtimeDirectory: String

    /// - Parameter dataDirectory: by default in `folder`, where it touches no disk.
    init(program: String, folder: TemporaryFolder, dataDirectory: String? = nil) throws {
        let base = folder.path + "/service"
        let dataDirectory = dataDirectory ?? base + "/data"
        runtimeDirectory = base + "/runtime"
        socketPath = base + "/socket"
        for directory in [runtimeDirectory, dataDirectory] {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        }
        process = try ChildProcess(
            [
                program, "serve", "--listen", "127.0.0.1:0", "--listen", "unix:" + socketPath,
                "--runtime-directory", runtimeDirectory, "--data-directory", dataDirectory,
                "--local-files", folder.files,
            ], log: base + "/log")
        let unix = "listening on unix:" + socketPath
        port = try process.awaitReady { child in
            child.output.contains(unix) ? listeningPort(child.output) : nil
        }
    }
}

/// The port in a line `listening on http://127.0.0.1:PORT`, once it is whole.
func listeningPort(_ output: String) -> Int? {
    output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().lazy
        .compactMap { line in line.split(separator: "listening on http://127.0.0.1:").last }
        .compactMap { Int($0) }.first
}
