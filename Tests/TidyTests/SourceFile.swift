import Foundation

/// A file of the project, or a sample that stands for one.
struct SourceFile {
    /// Relative to the folder of `Package.swift`.
    let path: String
    let lines: [String]
    /// The same lines, for Swift with comments, the text of strings and quoted names blanked out,
    /// so that what is found there is code.
    let code: [String]

    init(_ path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        code =
            path.hasSuffix(".swift")
            ? CodeScanner.code(of: text).split(separator: "\n", omittingEmptySubsequences: false)
                .map(String.init) : lines
    }

    /// The target's name when the file belongs to one in `Sources`.
    var module: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    var isSwift: Bool { path.hasSuffix(".swift") }
    var isTest: Bool { path.hasPrefix("Tests/") }

    /// The name without folders and ending.
    var name: String {
        URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    }

    /// Numbers, from 1, of the lines of code in which `found` finds something.
    func linesOfCode(where found: (String) -> Bool) -> [Int] {
        code.indices.filter { found(code[$0]) }.map { $0 + 1 }
    }
}

extension SourceFile {
    /// Every file of the project that people write, in `Sources`, `Tests`, `deploy` and `config`.
    static let tree: [SourceFile] = {
        let endings = ["swift", "c", "h", "py", "mjs", "sh", "yaml", "yml", "service", "md", ""]
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        var files: [SourceFile] = []
        for start in ["Sources", "Tests", "deploy", "config", "Package.swift", "README.md", ".ci"] {
            let top = root.appending(path: start)
            let below = FileManager.default.enumerator(
                at: top, includingPropertiesForKeys: [.isRegularFileKey])
            let urls = [top] + (below?.allObjects as? [URL] ?? [])
            for url in urls where endings.contains(url.pathExtension) {
                guard !url.path.contains("/__pycache__/"),
                    let text = try? String(contentsOf: url, encoding: .utf8)
                else { continue }
                let path = url.path.dropFirst(root.path.count + 1)
                files.append(SourceFile(String(path), text))
            }
        }
        return files.sorted { $0.path < $1.path }
    }()
}
