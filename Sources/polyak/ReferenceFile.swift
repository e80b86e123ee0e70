/// The commented settings file, made from the table.
enum ReferenceFile {
    static let text = introduction + Setting.table.map(entry).joined(separator: "\n")

    private static let introduction = """
        # Every setting of `polyak serve`, at its default. Made by `polyak config reference`;
        # `polyak config check FILE` names every mistake in a file, `polyak config show` tells
        # the value in force and where it came from.
        #
        # A key is a flag (--idle-timeout 75s) and a variable (POLYAK_IDLE_TIMEOUT=75s) as well.
        # A flag wins over the environment, which wins over the file.


        """

    private static func entry(_ setting: Setting) -> String {
        let notes = wrap(setting.summary) + wrap("Allowed: \(setting.allowed).")
        let values = setting.texts(in: Settings())
        let value =
            setting.isList ? values.map { "\n  - \($0)" }.joined() : " " + values.joined()
        return notes.map { "# \($0)\n" }.joined() + "\(setting.key):\(value)\n"
    }

    /// Breaks a text into lines of at most 96 characters, at spaces.
    private static func wrap(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + word.count < 96 {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
