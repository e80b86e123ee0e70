@testable import HTTPWire
import ServiceLimits

/// A chunked body is read as a decoder reads it that has the whole of it before it.
enum ChunkedBody {
    private static let limits = {
        var limits = Limits()
        limits.chunkExtensionBytes = 16
        limits.trailerBytes = 32
        return limits
    }()

    private struct Body: Equatable {
        var data: [UInt8]
        /// Bytes of the body with its framing.
        var length: Int
    }

    static func check(_ input: FuzzInput) {
        var input = input
        let expected = decodeSimply(input.bytes)
        let whole = decode([input.bytes])
        let cut = decode(input.pieces())
        expect(whole == expected, "whole: \(whole as Any), expected: \(expected as Any)")
        expect(cut == expected, "cut: \(cut as Any), expected: \(expected as Any)")
    }

    /// - Returns: nil when the body is refused or incomplete.
    private static func decode(_ pieces: [[UInt8]]) -> Body? {
        var decoder = ChunkedDecoder()
        var body = Body(data: [], length: 0)
        for piece in pieces {
            var rest = piece[...]
            while !rest.isEmpty, !decoder.isComplete {
                let framing = Array(rest).withUnsafeBytes { bytes in
                    Result { () throws(WireError) in try decoder.advance(bytes, limits: limits) }
                }
                guard let framing = try? framing.get() else { return nil }
                rest = rest.dropFirst(framing)
                let data = rest.prefix(decoder.dataRemaining)
                body.data += data
                body.length += framing + data.count
                rest = rest.dropFirst(data.count)
                if !data.isEmpty { decoder.took(data.count) }
            }
        }
        return decoder.isComplete ? body : nil
    }

    /// RFC 9112 section 7.1, line by line.
    private static func decodeSimply(_ bytes: [UInt8]) -> Body? {
        var rest = bytes[...]
        var data: [UInt8] = []
        while let line = takeLine(&rest) {
            let digits = line.prefix(while: isHexadecimal)
            let extensions = line.dropFirst(digits.count)
            guard (1...15).contains(digits.count),
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
                extensions.count <= limits.chunkExtensionBytes, isContent(extensions),
                extensions.isEmpty || extensions.first == 0x3B
            else { return nil }
            if size == 0 {
                guard takeTrailers(&rest) else { return nil }
                return Body(data: data, length: bytes.count - rest.count)
            }
            guard rest.count >= size else { return nil }
            data += rest.prefix(size)
            rest = rest.dropFirst(size)
            guard takeLine(&rest)?.isEmpty == true else { return nil }
        }
        return nil
    }

    private static func takeTrailers(_ rest: inout ArraySlice<UInt8>) -> Bool {
        var room = limits.trailerBytes
        while let line = takeLine(&rest) {
            if line.isEmpty { return true }
            room -= line.count
            let name = line.prefix { $0 != UInt8(ascii: ":") }
            guard room >= 0, name.count < line.count, !name.isEmpty,
                name.allSatisfy({ Byte.isToken($0) }), isContent(line)
            else { return false }
        }
        return false
    }

    private static func takeLine(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var end = rest.startIndex
        while end + 1 < rest.endIndex {
            if rest[end] == 13, rest[end + 1] == 10 {
                defer { rest = rest[(end + 2)...] }
                return rest[..<end]
            }
            end += 1
        }
        return nil
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        Character(Unicode.Scalar(byte)).isHexDigit && byte < 0x80
    }

    private static func isContent(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { $0 == 9 || $0 >= 0x20 && $0 != 0x7F }
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    ChunkedBody.check(FuzzInput(start, count))
    return 0
}
