import Foundation

/// A directory of its own for one test, of mode 0700, removed with it. Its path is short enough for
/// a Unix socket in it.
public final class TemporaryDirectory: Sendable {
    /// The absolute path.
    public let path: String

    /// `parent` chooses the file system.
    public init(in parent: String = "/tmp") throws {
        var template = Array("\(parent)/polyak-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        path = String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of what has this name in it.
    public func callAsFunction(_ name: String) -> String { path + "/" + name }
}
