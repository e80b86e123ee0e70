import Foundation
import Yams

/// The settings' file: one YAML mapping of keys to scalars, or to a sequence of scalars for a list.
enum SettingsFile {
    struct Entry: Equatable {
        var key: String
        /// The line of the key, from 1.
        var line: Int?
        /// The scalars; empty when there is none.
        var texts: [String]
        /// The value as an error shows it.
        var shown: String
    }

    /// Reads the file's entries in their order. A file of comments alone has none.
    static func entries(of path: String) throws(SettingsError) -> [Entry] {
        guard let data = FileManager.default.contents(atPath: path) else {
            // Foundation does not say why; opening it once more does.
            let fd = open(path, O_RDONLY)
            let reason = fd < 0 ? String(cString: strerror(errno)) : "it is no regular file"
            if fd >= 0 { close(fd) }
            throw .unreadableFile(path: path, reason: reason)
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw .unreadableFile(path: path, reason: "it is not UTF-8")
        }
        return try entries(in: text, path: path)
    }

    /// Reads the entries in a file's text. Doubled keys are refused by the YAML reader.
    static func entries(in text: String, path: String) throws(SettingsError) -> [Entry] {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw .notYAML(path: path, detail: "\(error)")
        }
        guard let root, root.scalar?.string.isEmpty != true else { return [] }
        guard let mapping = root.mapping else {
            throw .notYAML(path: path, detail: "the top level must be `key: value` lines")
        }
        return mapping.map { key, value in entry(key, value) }
    }

    private static func entry(_ key: Node, _ value: Node) -> Entry {
        let name = key.scalar?.string ?? "(a key that is not a word)"
        var entry = Entry(key: name, line: key.mark?.line, texts: [], shown: "")
        switch value {
        case .scalar(let scalar):
            entry.texts = scalar.string.isEmpty ? [] : [scalar.string]
            entry.shown = scalar.string
        case .sequence(let sequence):
            let scalars = sequence.map { $0.scalar?.string }
            entry.shown = "[" + scalars.map { $0 ?? "…" }.joined(separator: ", ") + "]"
            // A text that no setting takes, so that nesting is refused where the value is.
            entry.texts = scalars.map { $0 ?? "" }
        case .mapping:
            entry.shown = "{…}"
            entry.texts = [""]
        case .alias(let alias):
            entry.shown = "*\(alias.anchor.rawValue)"
            entry.texts = [""]
        }
        return entry
    }
}
