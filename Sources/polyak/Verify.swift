import ArgumentParser
import Foundation
import Sessions

/// `polyak verify DIR`: whether a service would find everything in a data directory again.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks every byte that a data directory's sessions are found again from.",
        discussion: """
            Changes nothing, and may be used while a service runs on the directory. The exit \
            status is 0 if everything is whole, and 1 if anything is damaged or cannot be read.
            """)

    @Argument(help: "The data directory.")
    var directory: String

    @Flag(help: "Answer in JSON.")
    var json = false

    func run() throws {
        let report: DataDirectoryVerifier.Report
        do {
            report = try DataDirectoryVerifier(directory: directory).report()
        } catch {
            StandardError.write("polyak: \(error)\n")
            throw ExitCode.failure
        }
        if json {
            try printJSON(report)
        } else {
            printText(report)
        }
        if !report.isWhole { throw ExitCode.failure }
    }

    private func printJSON(_ report: DataDirectoryVerifier.Report) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
    }

    private func printText(_ report: DataDirectoryVerifier.Report) {
        print("\(report.directory): data directory \(report.identity ?? "without an identity")")
        if report.isInUse { print("a service is running on it") }
        if !report.stoppedCleanly.isEmpty {
            print("stopped cleanly: the last revisions of \(report.stoppedCleanly.count) sessions")
        }
        for problem in report.problems { print("DAMAGED: \(problem)") }
        for session in report.sessions { printText(session) }
        let damaged = report.sessions.count { !$0.problems.isEmpty }
        print("\(report.sessions.count) sessions, \(damaged) damaged")
    }

    private func printText(_ session: DataDirectoryVerifier.SessionReport) {
        print("\n\(session.session) (\(session.directory))")
        if let record = session.record {
            print(
                "  revision \(record.revision), incarnation \(record.incarnation), "
                    + "durability \(record.durability)")
            for average in record.averages {
                print(
                    "  average \(average.average): \(average.averageCounter) models, changed in "
                        + "revision \(average.changedRevision), \(average.bytes ?? 0) bytes")
            }
        }
        let unused = session.unusedFiles == 0 ? "" : "; \(session.unusedFiles) that nothing needs"
        print("  \(session.files) files, \(session.bytes) bytes\(unused)")
        for problem in session.problems { print("  DAMAGED: \(problem)") }
        if session.problems.isEmpty { print("  whole") }
    }
}
