import Foundation

/// Lines for the person or program that started the command.
enum StandardError {
    /// Writes in one call, so that lines of other threads do not come between.
    static func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
