import ArgumentParser
import Foundation
import Logging

/// `polyak config`: what the service would run with, without running it.
struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks, shows and explains settings.",
        subcommands: [Check.self, Show.self, Reference.self])
}

extension Config {
    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads a settings file and names every mistake; exit status 64 if any.")

        @Argument(help: "The file.")
        var file: String

        @Flag(help: "Answer in JSON.")
        var json = false

        func run() throws {
            var reader = SettingsReader()
            reader.readFile(file)
            reader.checkTogether()
            if json {
                struct Answer: Encodable {
                    var file: String
                    var valid: Bool
                    var problems: [String]
                }
                try Config.printJSON(
                    Answer(
                        file: file, valid: reader.problems.isEmpty,
                        problems: reader.problems.map(\.description)))
            } else {
                for problem in reader.problems { StandardError.write("polyak: \(problem)\n") }
                if reader.problems.isEmpty {
                    print("\(file): \(reader.origins.count) settings, all right")
                }
            }
            if !reader.problems.isEmpty { throw ExitCode.validationFailure }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows every setting's value and where it came from.",
            discussion: SettingArguments.discussion)

        @OptionGroup var arguments: SettingArguments

        @Flag(help: "Answer in JSON.")
        var json = false

        func run() throws {
            let reader = try arguments.readOrExit()
            if json {
                try Config.printJSON(["settings": reader.rows])
            } else {
                let width = reader.rows.map(\.key.count).max() ?? 0
                for row in reader.rows {
                    let key = row.key.padding(toLength: width, withPad: " ", startingAt: 0)
                    print("\(key)  \(row.value)  (\(row.origin))")
                }
            }
        }
    }

    struct Reference: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints a settings file with every setting explained, at its default.")

        func run() {
            print(ReferenceFile.text, terminator: "")
        }
    }

    fileprivate static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

extension SettingsReader {
    /// One setting as `polyak config show` and the service's first log line tell it.
    struct Row: Encodable {
        var key: String
        /// Elements of a list are separated by commas.
        var value: String
        var origin: String
    }

    /// All settings, in the table's order.
    var rows: [Row] {
        Setting.table.map { setting in
            Row(
                key: setting.key, value: setting.texts(in: settings).joined(separator: ","),
                origin: origin(of: setting).description)
        }
    }

    /// All settings as one log line's fields.
    var metadata: Logger.Metadata {
        Logger.Metadata(uniqueKeysWithValues: rows.map { ($0.key, "\($0.value)") })
    }
}
