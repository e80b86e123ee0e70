extension TidyRule {
    static let language = [
        TidyRule(
            "nothing is forced outside tests",
            advice: "use guard let, a typed throw, or precondition with a sentence",
            bad: ("Sources/Tensors/A.swift", "if !a, b != c { let d = e! }\n", 1),
            good: ("Sources/Tensors/A.swift", "if !a, b != c, d == \"e!\" {}  // f!")
        ) { file in
            guard file.isSwift, !file.isTest else { return [] }
            return file.linesOfCode(where: forces)
        },
        TidyRule(
            "only the commands print",
            advice: "log through the logger that is passed in, or return the text",
            bad: ("Sources/Service/A.swift", "func a() {\n    print(b)\n}", 2),
            good: ("Sources/Service/A.swift", "func a() {\n    sprint(b)\n}")
        ) { file in
            guard file.isSwift, !file.isTest, file.module?.hasPrefix("polyak") != true else {
                return []
            }
            return file.linesOfCode { call("print", in: $0) || call("debugPrint", in: $0) }
        },
        TidyRule(
            "our own bugs are preconditions",
            advice: "use precondition or preconditionFailure with a sentence; throw for the peer's",
            bad: ("Sources/Service/A.swift", "default: fatalError()", 1),
            good: ("Sources/Service/A.swift", "default: preconditionFailure(\"fatalError()\")")
        ) { file in
            file.isSwift ? file.linesOfCode { call("fatalError", in: $0) } : []
        },
        TidyRule(
            "unchecked sendability is explained",
            advice: "write above the type who may touch it when, or protect it by a Mutex",
            bad: ("Sources/Service/A.swift", "\nfinal class A: @unchecked Sendable {}", 2),
            good: (
                "Sources/Service/A.swift",
                "/// Touched on its lane only.\nfinal class A: @unchecked Sendable {}"
            )
        ) { file in
            guard file.isSwift else { return [] }
            let marks = ["@unchecked Sendable", "nonisolated(unsafe)"]
            return file.linesOfCode { line in marks.contains { line.contains($0) } }
                .filter { !hasCommentAbove(file, line: $0, prefix: "//") }
        },
        TidyRule(
            "what is public has a doc comment",
            advice: "say above it what it is: shapes, units, errors, threading, the RFC's clause",
            bad: ("Sources/Service/A.swift", "// A\npublic struct A {\n    public init() {}\n}", 2),
            good: (
                "Sources/Service/A.swift",
                "/// A.\n@frozen\npublic struct A {\n    public init() {}\n}"
            )
        ) { file in
            guard file.module != nil, file.isSwift else { return [] }
            return file.linesOfCode(where: needsDocumentation)
                .filter { !hasCommentAbove(file, line: $0, prefix: "///") }
        },
        TidyRule(
            "tests do not sleep, except between two looks at a condition",
            advice: "wait for the event itself: a line, a state, a descriptor, a condition",
            bad: ("Tests/python/test_a.py", "import time\nif True:\n    time.sleep(1)", 3),
            good: (
                "Tests/ATests/A.swift",
                "asleep() // sleep(1)\nwhile !a() {\n    b()\n    usleep(500)\n}"
            )
        ) { file in
            guard file.isTest else { return [] }
            return file.linesOfCode { line in
                ["sleep", "usleep", "nanosleep"].contains { call($0, in: line) }
            }.filter { !isPause(file, line: $0) }
        },
    ]

    /// Whether a loop with a condition begins in the four lines above.
    private static func isPause(_ file: SourceFile, line: Int) -> Bool {
        file.code[max(0, line - 5)..<(line - 1)].contains { line in
            let words = line.split(separator: " ").map { $0.lowercased() }
            return words.first == "while" && words.dropFirst().first?.hasPrefix("true") != true
        }
    }

    /// Whether the line calls a function of exactly this name.
    private static func call(_ name: String, in line: String) -> Bool {
        var rest = line[...]
        while let range = rest.firstRange(of: name + "(") {
            if range.lowerBound == line.startIndex { return true }
            let before = line[line.index(before: range.lowerBound)]
            if !before.isLetter, !before.isNumber, before != "_" { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }

    /// Whether the line has `try!`, `as!`, or a `!` behind a value or a type.
    private static func forces(_ line: String) -> Bool {
        let characters = Array(line)
        return characters.indices.contains { index in
            guard characters[index] == "!", index > 0 else { return false }
            let before = characters[index - 1]
            let isPostfix = before.isLetter || before.isNumber || ")]}?_".contains(before)
            let isComparison = index + 1 < characters.count && characters[index + 1] == "="
            return isPostfix && !isComparison
        }
    }

    /// Whether the line declares something public that nothing else explains: an initialiser has
    /// its type's comment, and what a protocol asks for has the protocol's.
    private static func needsDocumentation(_ line: String) -> Bool {
        let words = line.split { " (<:{".contains($0) }.drop { $0.hasPrefix("@") }
        guard let access = words.first, ["public", "open"].contains(access) else { return false }
        let modifiers = ["final", "static", "mutating", "override", "nonisolated", "indirect"]
        let rest = words.dropFirst().drop { modifiers.contains(String($0)) || $0 == "private" }
        let kind = rest.first.map(String.init) ?? ""
        let name = rest.dropFirst().first.map(String.init) ?? ""
        return !["import", "init", "init?", "set)"].contains(kind) && !requirements.contains(name)
    }

    /// The names of what the project's protocols ask for, and the standard library's.
    private static let requirements: Set<String> = {
        var names: Set = ["description", "hash", "==", "<", "encode"]
        for file in SourceFile.tree where file.isSwift && !file.isTest {
            var isInside = false
            for line in file.code {
                let words = line.split { " (<:{".contains($0) }
                if line.hasPrefix("}") { isInside = false }
                if isInside, let kind = words.first, ["func", "var"].contains(kind) {
                    names.insert(String(words[1]))
                }
                if !line.hasPrefix(" "), words.contains("protocol") { isInside = true }
            }
        }
        return names
    }()

    /// Whether the lines above `line`, attributes left out, are a comment.
    private static func hasCommentAbove(_ file: SourceFile, line: Int, prefix: String) -> Bool {
        var index = line - 2
        func text() -> Substring { file.lines[index].drop { $0 == " " } }
        while index >= 0, text().hasPrefix("@") { index -= 1 }
        return index >= 0 && text().hasPrefix(prefix)
    }
}
