import Foundation
import TestSupport

/// The command as a process with folders of its own, listening on a Unix socket.
final class RunningCommand {
    private let folder: TemporaryDirectory
    let process = Process()
    /// What standard error has given so far.
    private(set) var said = ""
    private let errors = Pipe()

    var socketPath: String { folder("socket") }

    /// Starts the product that was built beside the tests.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        folder = try TemporaryDirectory()
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: tests).deletingLastPathComponent()
            .appending(path: "polyak")
        process.arguments = arguments.map { $0.replacing("FOLDER", with: folder.path) }
        process.environment = ["HOME": folder.path].merging(environment) { $1 }
            .mapValues { $0.replacing("FOLDER", with: folder.path) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
    }

    /// A test that failed before the end leaves no process behind.
    deinit {
        if process.isRunning { send(SIGKILL) }
    }

    /// `polyak serve` on the socket in the folder, ready. A test that is slow, or was stopped, is
    /// not taken for a client that is.
    static func service(environment: [String: String] = [:]) throws -> RunningCommand {
        let running = try RunningCommand(
            [
                "serve", "--listen", "unix:FOLDER/socket", "--runtime-directory", "FOLDER/runtime",
                "--data-directory", "FOLDER/data", "--head-timeout", "1h", "--body-grace", "1h",
                "--shutdown-grace", "1h",
            ], environment: environment)
        running.waitUntilSaid("listening on unix:\(running.socketPath)\n")
        return running
    }

    /// Reads standard error until `text` was in it, or it ended.
    func waitUntilSaid(_ text: String) {
        while !said.contains(text) {
            let data = errors.fileHandleForReading.availableData
            if data.isEmpty { return }
            said += String(decoding: data, as: UTF8.self)
        }
    }

    /// Waits for the end.
    /// - Returns: the exit status, or the negative number of the signal that ended it.
    func end() -> Int32 {
        said += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let status = process.terminationStatus
        return process.terminationReason == .exit ? status : -status
    }

    func send(_ number: Int32) {
        kill(process.processIdentifier, number)
    }
}
