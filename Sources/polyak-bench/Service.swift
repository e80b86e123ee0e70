import Foundation

/// `polyak serve` as users get it, in a process of its own: on TCP, on a Unix socket, and on TCP
/// with TLS where the `openssl` command can make a certificate.
final class Service {
    let process: ChildProcess
    let port: Int
    let encryptedPort: Int?
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
        let certificate = Self.makeCertificate(in: base)
        process = try ChildProcess(
            [
                program, "serve", "--listen", "127.0.0.1:0", "--listen", "unix:" + socketPath,
                "--runtime-directory", runtimeDirectory, "--data-directory", dataDirectory,
                "--local-files", folder.files,
            ] + certificate, log: base + "/log")
        let last =
            certificate.isEmpty
            ? "listening on unix:" + socketPath : "listening on https://127.0.0.1:"
        port = try process.awaitReady { child in
            child.output.contains(last) ? listeningPort(child.output) : nil
        }
        encryptedPort =
            certificate.isEmpty
            ? nil : try process.awaitReady { listeningPort($0.output, scheme: "https") }
    }

    /// The options of a listener with a certificate of its own; none without `openssl`.
    private static func makeCertificate(in folder: String) -> [String] {
        guard let program = findProgram("openssl") else { return [] }
        let (certificate, key) = (folder + "/certificate.pem", folder + "/key.pem")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=localhost", "-days", "2", "-out", certificate, "-keyout", key,
        ]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return [] }
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return [] }
        return [
            "--listen", "https://127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key,
        ]
    }
}

/// The port in a line `listening on http://127.0.0.1:PORT`, once it is whole.
func listeningPort(_ output: String, scheme: String = "http") -> Int? {
    output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().lazy
        .compactMap { line in line.split(separator: "listening on \(scheme)://127.0.0.1:").last }
        .compactMap { Int($0) }.first
}
