import ArgumentParser
import Foundation

/// The part of a command line that gives settings.
///
/// The flags come from `Setting.table`, so the parser hands them over unread.
struct SettingArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file of settings, as `polyak config reference` prints it (or $POLYAK_CONFIG).",
            valueName: "file"))
    var config: String?

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("Settings, as --key value.", valueName: "settings"))
    var words: [String] = []

    /// The flags in the form that `--help` shows.
    static var discussion: String {
        let lines = Setting.table.map { setting in
            "  \(setting.flag)\(setting.isFlag ? "" : " …")  [\(setting.defaultText)]"
        }
        return """
            Settings, with their defaults; `polyak config reference` explains each. A flag wins \
            over the environment (POLYAK_LISTEN for --listen), which wins over the file.

            \(lines.joined(separator: "\n"))
            """
    }

    /// Reads every source in its order.
    func read(_ environment: [String: String])
        -> SettingsReader
    {
        var reader = SettingsReader()
        if let path = config ?? environment[SettingsReader.fileVariable] {
            reader.readFile(path)
        }
        reader.readEnvironment(environment)
        reader.readFlags(words)
        reader.checkTogether()
        return reader
    }

    /// Reads every source and chooses the directories; ends the command with all problems named
    /// if there are any.
    func readOrExit() throws -> SettingsReader {
        let environment = ProcessInfo.processInfo.environment
        var reader = read(environment)
        guard reader.problems.isEmpty else {
            StandardError.write(reader.problems.map { "polyak: \($0)\n" }.joined())
            throw ExitCode.validationFailure
        }
        do throws(DirectoryError) {
            reader.settle(try ServiceDirectories(reader.settings, environment: environment))
        } catch {
            StandardError.write("polyak: \(error)\n")
            throw ExitCode.validationFailure
        }
        return reader
    }
}

extension Setting {
    /// The default, spelled as it may be given.
    var defaultText: String {
        texts(in: Settings()).joined(separator: ", ")
    }
}
