import Testing

/// The part of the house style that a program can check; `.swift-format` has the rest.
@Suite struct TidyTests {
    @Test(arguments: TidyRule.all)
    func `the project keeps the rule`(rule: TidyRule) {
        for file in SourceFile.tree {
            for line in rule.breaches(file) {
                Issue.record("\(file.path):\(line): \(rule.name): \(rule.advice)")
            }
        }
    }

    @Test(arguments: TidyRule.all)
    func `the rule finds what breaks it and nothing else`(rule: TidyRule) {
        #expect(rule.breaches(SourceFile(rule.bad.path, rule.bad.text)) == [rule.bad.line])
        #expect(rule.breaches(SourceFile(rule.good.path, rule.good.text)).isEmpty)
    }

    @Test func `the project's files are found`() {
        let paths = Set(SourceFile.tree.map(\.path))
        for path in [
            "Package.swift", "Tests/TidyTests/TidyTests.swift", "Sources/Averaging/Rule.swift",
            "Sources/CKernels/include/CKernels.h", "config/polyak.yaml", "deploy/start",
        ] {
            #expect(paths.contains(path), "\(path)")
        }
    }

    @Test(arguments: [
        ("a // b", "a     "),
        ("a /* b /* c */ d */ e", "a                   e"),
        (#"a "b" c"#, "a     c"),
        (#"a "\"" c"#, "a      c"),
        (#"a "\(b["c"])" d"#, "a    b[   ]   d"),
        (##"a #"b"c"# d"##, "a         d"),
        ("a `b! \"c` d", "a         d"),
        ("\"\"\"\na \"b\"\n\\(c)\n\"\"\" d", "   \n     \n  c \n    d"),
    ])
    func `comments, strings and quoted names are no code`(text: String, code: String) {
        #expect(CodeScanner.code(of: text) == code)
    }
}

extension TidyRule: CustomTestStringConvertible {
    var testDescription: String { name }
}
