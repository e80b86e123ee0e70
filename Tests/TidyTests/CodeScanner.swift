/// Reads Swift just well enough to tell code from comments, strings and quoted names.
struct CodeScanner {
    private enum Mode {
        /// Code; inside an interpolation the number of its open parentheses.
        case code(parentheses: Int?)
        case string(hashes: Int, isMultiline: Bool)
        case lineComment
        case blockComment(depth: Int)
        case quotedName
    }

    private let text: [UInt8]
    private var index = 0
    private var modes: [Mode] = [.code(parentheses: nil)]
    private var output: [UInt8] = []

    /// `text` with each byte that is not code replaced by a space; line breaks stay.
    static func code(of text: String) -> String {
        var scanner = CodeScanner(text)
        while scanner.index < scanner.text.count { scanner.step() }
        return String(decoding: scanner.output, as: UTF8.self)
    }

    private init(_ text: String) {
        self.text = Array(text.utf8)
    }

    private mutating func step() {
        switch modes[modes.count - 1] {
        case .code(let parentheses): stepCode(parentheses)
        case .string(let hashes, let isMultiline): stepString(hashes, isMultiline)
        case .lineComment: stepLineComment()
        case .blockComment(let depth): stepBlockComment(depth)
        case .quotedName:
            if text[index] == UInt8(ascii: "`") { modes.removeLast() }
            blank(1)
        }
    }

    private mutating func stepCode(_ parentheses: Int?) {
        if at("//") {
            modes.append(.lineComment)
        } else if at("/*") {
            modes.append(.blockComment(depth: 0))
        } else if let opening = stringOpening() {
            modes.append(.string(hashes: opening.hashes, isMultiline: opening.isMultiline))
            blank(opening.hashes + (opening.isMultiline ? 3 : 1))
        } else if text[index] == UInt8(ascii: "`") {
            modes.append(.quotedName)
            blank(1)
        } else if let parentheses, text[index] == UInt8(ascii: ")"), parentheses == 0 {
            modes.removeLast()
            blank(1)
        } else {
            if let parentheses {
                let change = at("(") ? 1 : at(")") ? -1 : 0
                modes[modes.count - 1] = .code(parentheses: parentheses + change)
            }
            keep()
        }
    }

    private mutating func stepString(_ hashes: Int, _ isMultiline: Bool) {
        let marks = String(repeating: "#", count: hashes)
        let end = (isMultiline ? "\"\"\"" : "\"") + marks
        if at("\\" + marks + "(") {
            modes.append(.code(parentheses: 0))
            blank(hashes + 2)
        } else if at(end) {
            modes.removeLast()
            blank(end.count)
        } else if at("\\" + marks) {
            blank(hashes + 2)
        } else {
            blank(1)
        }
    }

    private mutating func stepLineComment() {
        if text[index] == 0x0A { modes.removeLast() }
        blank(1)
    }

    private mutating func stepBlockComment(_ depth: Int) {
        if at("/*") {
            modes[modes.count - 1] = .blockComment(depth: depth + 1)
            blank(2)
        } else if at("*/") {
            modes.removeLast()
            if depth > 1 { modes.append(.blockComment(depth: depth - 1)) }
            blank(2)
        } else {
            blank(1)
        }
    }

    private func stringOpening() -> (hashes: Int, isMultiline: Bool)? {
        let quote = UInt8(ascii: "\"")
        var end = index
        while end < text.count, text[end] == UInt8(ascii: "#") { end += 1 }
        guard end < text.count, text[end] == quote else { return nil }
        let isMultiline = end + 2 < text.count && text[end + 1] == quote && text[end + 2] == quote
        return (end - index, isMultiline)
    }

    private func at(_ wanted: String) -> Bool {
        let bytes = wanted.utf8
        return index + bytes.count <= text.count
            && zip(bytes, text[index...]).allSatisfy { $0 == $1 }
    }

    private mutating func keep() {
        output.append(text[index])
        index += 1
    }

    private mutating func blank(_ count: Int) {
        for _ in 0..<count where index < text.count {
            output.append(text[index] == 0x0A ? 0x0A : 0x20)
            index += 1
        }
    }
}
