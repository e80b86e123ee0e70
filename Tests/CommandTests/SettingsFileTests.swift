import Foundation
import Testing

@testable import polyak

@Suite struct SettingsFileTests {
    @Test func `keys come with their lines and values with their text`() throws {
        let entries = try SettingsFile.entries(
            in: "# c\nfields: 20\n\nlisten: [127.0.0.1:1, 'unix:/s']\ndrain: \"1MiB\"\n", path: "f")
        #expect(
            entries == [
                .init(key: "fields", line: 2, texts: ["20"], shown: "20"),
                .init(
                    key: "listen", line: 4, texts: ["127.0.0.1:1", "unix:/s"],
                    shown: "[127.0.0.1:1, unix:/s]"),
                .init(key: "drain", line: 5, texts: ["1MiB"], shown: "1MiB"),
            ])
    }

    @Test(arguments: ["", "# only a comment\n", "---\n"])
    func `a file may be empty`(text: String) throws {
        var reader = SettingsReader()
        try withFile(text) { reader.readFile($0) }
        #expect(reader.problems.isEmpty)
    }

    @Test(arguments: [
        "fields: 20\nfields: 30\n", "- fields\n", "fields", "fields: [20\n", "a: 1\n---\nb: 2\n",
        "\tfields: 20\n",
    ])
    func `what is no mapping is refused, doubled keys included`(text: String) {
        #expect {
            try SettingsFile.entries(in: text, path: "f")
        } throws: { error in
            guard case SettingsError.notYAML("f", _) = error else { return false }
            return true
        }
    }

    @Test(arguments: [
        "fields: {a: 1}", "fields: [20, 30]", "listen: [[127.0.0.1:1]]", "listen: {a: b}",
        "fields: 2.0e1", "fields: ~", "fields: '20 '", "allow-anonymous: yes", "listen: []",
        "fields:",
    ])
    func `a value of the wrong kind is refused where it stands`(text: String) throws {
        try withFile("\n\n" + text) { path in
            var reader = SettingsReader()
            reader.readFile(path)
            #expect(reader.problems.count == 1)
            #expect(reader.problems.first?.description.hasPrefix("\(path):3: ") == true)
            #expect(reader.settings == Settings())
        }
    }

    @Test func `a file that cannot be read says why`() {
        var reader = SettingsReader()
        reader.readFile("/nonexistent/polyak.yaml")
        #expect(
            reader.problems == [
                .unreadableFile(
                    path: "/nonexistent/polyak.yaml", reason: "No such file or directory")
            ])
    }

    @Test func `the reference file is what the command prints`() throws {
        let path = repository + "/config/polyak.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(
            text == ReferenceFile.text,
            "make it anew: polyak config reference > config/polyak.yaml")
    }

    @Test func `the reference file gives every setting its default`() throws {
        let path = repository + "/config/polyak.yaml"
        var reader = SettingsReader()
        reader.readFile(path)
        reader.checkTogether()
        #expect(reader.problems.isEmpty)
        #expect(reader.settings == Settings())
        #expect(Set(reader.origins.keys) == Set(Setting.table.map(\.key)))
    }
}

/// The folder that holds `Package.swift`.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
