@testable import HTTPWire
import ServiceLimits

/// A head means the same however it is cut, and what is accepted is one by RFC 9112.
enum HTTP1Head {
    /// Small, so that short inputs reach them.
    private static let limits = {
        var limits = Limits()
        limits.requestLineBytes = 100
        limits.fieldBytes = 80
        limits.headerBytes = 300
        limits.fields = 12
        return limits
    }()

    private enum Outcome {
        case incomplete
        case refused(WireError)
        case accepted(ParsedHead, length: Int)

        /// For comparison.
        var text: String {
            switch self {
            case .incomplete: "incomplete"
            case .refused(let error): "refused: \(error)"
            case .accepted(let head, let length):
                """
                \(length) \(head.request.method) \(head.request.path) \(head.request.query ?? "-") \
                \(head.request.fields.bytes) \(head.request.body) \(head.request.expectsContinue) \
                \(head.isOldVersion) \(head.keepsAlive)
                """
            }
        }
    }

    static func check(_ input: FuzzInput) {
        var input = input
        let whole = outcome([input.bytes])
        let cut = outcome(input.pieces())
        expect(whole.text == cut.text, "whole: \(whole.text), cut: \(cut.text)")
        if case .accepted(let head, let length) = whole {
            expectSound(head, Array(input.bytes[..<length]))
        } else {
            expect(!beginWithPlainHead(input.bytes), "a good head: \(whole.text)")
        }
    }

    private static func outcome(_ pieces: [[UInt8]]) -> Outcome {
        var reader = HeadReader(peer: .loopback)
        var length = 0
        for piece in pieces {
            do throws(WireError) {
                let result = try piece.withUnsafeBytes { bytes in
                    Result { () throws(WireError) in
                        try reader.receive(bytes, limits: limits)
                    }
                }.get()
                length += result.taken
                if let head = result.head { return .accepted(head, length: length) }
            } catch {
                return .refused(error)
            }
        }
        return .incomplete
    }

    /// What must hold of any head that is accepted; looked at line by line.
    private static func expectSound(_ head: ParsedHead, _ bytes: [UInt8]) {
        guard var lines = lines(of: bytes) else { return expect(false, "a control character") }
        if lines.first?.isEmpty == true { lines.removeFirst() }
        expect(lines.count >= 2 && lines.last?.isEmpty == true, "no empty line at the end")
        expect(lines.dropLast().allSatisfy { !$0.isEmpty }, "an empty line inside")

        let words = lines[0].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let isOld = words.last?.elementsEqual("HTTP/1.0".utf8) == true
        expect(words.count == 3, "not three words")
        expect(isOld || words[2].elementsEqual("HTTP/1.1".utf8), "a version that is none")
        expect(head.isOldVersion == isOld, "the wrong version")
        expect(!words[0].isEmpty && words[0].allSatisfy(isToken), "a method that is no token")
        expect(words[0].elementsEqual(head.request.method.utf8), "the wrong method")
        if words[1].first == UInt8(ascii: "/") {
            let target = head.request.path + (head.request.query.map { "?" + $0 } ?? "")
            expect(words[1].elementsEqual(target.utf8), "the wrong target")
        }
        expectSoundFields(head, lines[1...].dropLast(), isOld: isOld)
    }

    private static func expectSoundFields(
        _ head: ParsedHead, _ lines: ArraySlice<[UInt8]>, isOld: Bool
    ) {
        let fields = head.request.fields
        expect(fields.count == lines.count && lines.count <= limits.fields, "the wrong fields")
        var values: [String: [String]] = [:]
        for (entry, line) in zip(fields.entries, lines) {
            let name = line.prefix { $0 != UInt8(ascii: ":") }
            expect(!name.isEmpty && name.allSatisfy(isToken), "a name that is no token")
            expect(name.count < line.count, "no colon")
            expect(name.elementsEqual(fields.bytes[entry.name]), "the wrong name")
            let value = trimmed(line[(name.count + 1)...])
            expect(value.elementsEqual(fields.bytes[entry.value]), "the wrong value")
            values[String(decoding: name, as: UTF8.self).lowercased(), default: []]
                .append(String(decoding: value, as: UTF8.self).lowercased())
        }
        expect(isOld || values["host"]?.count == 1, "not one Host")
        let lengths = values["content-length"] ?? []
        expect(lengths.count <= 1, "two lengths")
        if let codings = values["transfer-encoding"] {
            expect(lengths.isEmpty && !isOld, "two ways to say a length")
            let list = codings.joined(separator: ",").split { ", \t".contains($0) }
            expect(head.request.body == .unknown, "a coding without its body")
            expect(list == ["chunked"], "codings: \(list)")
        } else if let length = lengths.first {
            expect(length.utf8.allSatisfy { (0x30...0x39).contains($0) }, "no digits: \(length)")
            expect(Int(length).map { head.request.body == .known($0) } == true, "a wrong length")
        } else {
            expect(head.request.body == .none, "a body out of nothing")
        }
    }

    /// Whether the bytes begin with a head that is plainly good: words of letters, and no field
    /// with a meaning to the wire but Host.
    private static func beginWithPlainHead(_ bytes: [UInt8]) -> Bool {
        let end = bytes.indices.first { bytes[$0...].starts(with: "\r\n\r\n".utf8) }
        guard let end, let lines = lines(of: Array(bytes[..<(end + 2)])) else { return false }
        let words = lines[0].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let fields = lines.dropFirst()
        let hosts = fields.filter { $0.starts(with: "Host:".utf8) }
        let others = fields.filter { $0.starts(with: "X-".utf8) }
        func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
        return words.count == 3 && !words[0].isEmpty && words[0].allSatisfy(isLetter)
            && words[1].first == UInt8(ascii: "/") && words[1].dropFirst().allSatisfy(isLetter)
            && words[2].elementsEqual("HTTP/1.1".utf8) && lines[0].count <= limits.requestLineBytes
            && hosts.count == 1 && hosts[0].count > 5 && hosts[0].dropFirst(5).allSatisfy(isLetter)
            && hosts[0].count <= limits.fieldBytes && others.count + 1 == fields.count
            && fields.count <= limits.fields
            && others.allSatisfy { field in
                let name = field.dropFirst(2).prefix { $0 != UInt8(ascii: ":") }
                return name.allSatisfy(isLetter) && name.count + 2 < field.count
                    && field.count <= limits.fieldBytes
            }
            && fields.reduce(0) { $0 + $1.count } <= limits.headerBytes
    }

    /// Split at CR LF; nil when there is another control character than tab anywhere.
    private static func lines(of bytes: [UInt8]) -> [[UInt8]]? {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index...].starts(with: "\r\n".utf8) {
                lines.append(line)
                line = []
                index += 2
                continue
            }
            guard bytes[index] == 9 || bytes[index] >= 0x20, bytes[index] != 0x7F else {
                return nil
            }
            line.append(bytes[index])
            index += 1
        }
        return line.isEmpty ? lines : nil
    }

    private static let tokens = Set(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)

    private static func isToken(_ byte: UInt8) -> Bool { tokens.contains(byte) }

    private static func trimmed(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 9 }
        var value = value
        while isBlank(value.first) { value.removeFirst() }
        while isBlank(value.last) { value.removeLast() }
        return value
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    HTTP1Head.check(FuzzInput(start, count))
    return 0
}
