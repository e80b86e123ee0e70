extension TidyRule {
    /// Parts of this machine's paths, in two pieces so that this file does not hold them.
    private static let machinePaths = [
        "/wo" + "rk/", "/tmp" + "/h/", "/ro" + "ot/", "/Us" + "ers/",
    ]

    static let shape = [
        TidyRule(
            "nothing is left for later",
            advice: "do it, or write an issue; comments say why, not what is missing",
            bad: ("Sources/CKernels/a.c", "int a;\n/* TO" + "DO: b */", 2),
            good: ("Sources/CKernels/a.c", "int todos;\n")
        ) { file in
            let marks = ["TO" + "DO", "FIX" + "ME", "HA" + "CK"]
            return file.lines.indices.filter { index in
                marks.contains { file.lines[index].contains($0) }
            }.map { $0 + 1 }
        },
        TidyRule(
            "files hold no path of one machine",
            advice: "find it from the file's own place, the environment or a setting",
            bad: ("deploy/start", "cd " + machinePaths[0] + "main", 1),
            good: ("deploy/start", "cd \"$root\"")
        ) { file in
            file.lines.indices.filter { index in
                machinePaths.contains { file.lines[index].contains($0) }
            }.map { $0 + 1 }
        },
        TidyRule(
            "a line has at most 100 columns",
            advice: "break it; swift format does it for code",
            bad: ("Sources/A/A.swift", "a\n" + String(repeating: "a", count: 101), 2),
            good: ("Sources/A/A.swift", String(repeating: "ä", count: 100))
        ) { file in
            guard
                file.path.hasSuffix(".swift") || file.path.hasSuffix(".c")
                    || file.path.hasSuffix(".h")
            else { return [] }
            return file.lines.indices.filter { file.lines[$0].count > 100 }.map { $0 + 1 }
        },
        TidyRule(
            "a file has at most 400 lines",
            advice: "a file has one subject: move the other one out, as Type+Aspect.swift",
            bad: ("Sources/A/A.swift", String(repeating: "\n", count: 401), 401),
            good: ("Sources/A/A.swift", String(repeating: "\n", count: 400))
        ) { file in
            guard file.path.hasSuffix(".swift") || file.path.hasSuffix(".c") else { return [] }
            // A file that ends with a line break has an empty piece behind it.
            return file.lines.count > 401 ? [401] : []
        },
        TidyRule(
            "a file has the name of a type or function in it",
            advice: "name it Type.swift, Type+Aspect.swift for an extension, or Function.swift",
            bad: ("Sources/A/Helpers.swift", "struct Help {}", 1),
            good: ("Sources/A/Help+Text.swift", "public extension Help {}")
        ) { file in
            guard file.isSwift, !["Package", "Placeholder"].contains(file.name) else { return [] }
            let type = file.name.split(separator: "+").first.map(String.init) ?? ""
            let declared = file.code.flatMap(declaredNames)
            // A script of tests or a table of constants declares nothing to be named after.
            return declared.isEmpty || declared.contains(type) ? [] : [1]
        },
    ]

    /// The names, begun with a capital, of the types and free functions that a line declares and
    /// of the types it extends.
    private static func declaredNames(_ line: String) -> [String] {
        var kinds = ["struct", "class", "enum", "protocol", "actor", "extension", "typealias"]
        if !line.hasPrefix(" ") { kinds.append("func") }
        let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "." }
        return zip(words, words.dropFirst()).compactMap { kind, name in
            guard kinds.contains(String(kind)), let last = name.split(separator: ".").last else {
                return nil
            }
            return last.prefix(1).uppercased() + last.dropFirst()
        }
    }
}
