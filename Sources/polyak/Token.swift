import ArgumentParser
import Foundation
import Service
import ServiceLimits

/// `polyak token NAME ROLE [PREFIX]`: a new token, and the line of the token file that admits it.
struct Token: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a token for somebody to use the service with.",
        discussion: """
            Prints the token, which is written nowhere else, to standard output, and the line \
            that admits it to standard error: it holds the token's SHA-256 only. The service reads \
            the file at its start and on SIGHUP.
            """)

    @Argument(help: "Whose token it is: 1 to 128 of A-Z a-z 0-9 . _ -")
    var name: String

    @Argument(
        help: """
            What they may do: read (GET), train (also PUT, POST, and DELETE of cached weights) or \
            admin (also DELETE of sessions).
            """)
    var role: String

    @Argument(help: "They see only sessions whose names begin with this; without it, all.")
    var prefix: String?

    @Option(
        help: ArgumentHelp(
            "Append the line to this token file instead of printing it.", valueName: "file"))
    var append: String?

    func run() throws {
        let token = Self.make()
        let digest = TokenDigest(of: Array(token.utf8)).hexadecimal
        let line = [name, role, digest, prefix].compactMap { $0 }.joined(separator: ":")
        do {
            if let append {
                try TokenFile(path: append, limits: Limits()).append(line + "\n")
            } else {
                // The line goes into a file, so it is looked at as one is.
                _ = try AccessList(parsing: line, maximumCount: 1)
                StandardError.write("line for the token file: \(line)\n")
            }
        } catch {
            StandardError.write("polyak: \(error)\n")
            throw ExitCode.failure
        }
        print(token)
    }

    /// 256 random bits, as 43 characters of base64url (RFC 4648 section 5).
    private static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return Data(bytes).base64EncodedString().replacing("+", with: "-")
            .replacing("/", with: "_").replacing("=", with: "")
    }
}
