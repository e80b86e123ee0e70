@testable import Service
import Sessions

/// A token file is read as a simple reader reads it that looks at one line after the other.
enum TokenFile {
    private static let maximumCount = 6

    private struct Entry: Equatable {
        var identity: Identity
        /// Nil: a certificate.
        var digest: String?
    }

    static func check(_ input: FuzzInput) {
        guard let text = String(validating: input.bytes, as: UTF8.self) else { return }
        let expected = readSimply(input.bytes)
        do throws(AccessListError) {
            let list = try AccessList(parsing: text, maximumCount: maximumCount)
            guard let expected else { return expect(false, "a wrong file is accepted") }
            expect(list.count == Set(expected.map(\.identity.name)).count, "\(list.count)")
            for entry in expected {
                let found =
                    entry.digest.flatMap { TokenDigest(hexadecimal: $0) }
                    .map { list.identity(ofToken: $0) }
                    ?? list.identity(ofCertificate: [entry.identity.name ?? ""])
                expect(found == entry.identity, "\(found as Any) instead of \(entry)")
            }
            expect(list.identity(ofToken: TokenDigest(of: input.bytes)) == nil, "a stranger")
        } catch {
            expect(expected == nil, "a good file is refused: \(error)")
            expect(!"\(error)".contains("deadbeef"), "a message says what stands in the file")
        }
    }

    /// - Returns: nil when a line is wrong.
    private static func readSimply(_ bytes: [UInt8]) -> [Entry]? {
        var entries: [Entry] = []
        for line in bytes.split(separator: 10) where line.first != UInt8(ascii: "#") {
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            guard fields.count == 3 || fields.count == 4, isName(fields[0]),
                let role = Role(rawValue: fields[1]), isName(fields.last ?? "")
            else { return nil }
            let prefix = fields.count == 4 ? fields[3] : nil
            let digits = fields[2].lowercased()
            let isDigest =
                fields[2].utf8.count == 64
                && fields[2].utf8.allSatisfy("0123456789abcdefABCDEF".utf8.contains)
            guard isDigest || fields[2] == "certificate" else { return nil }
            let entry = Entry(
                identity: Identity(name: fields[0], role: role, sessionPrefix: prefix),
                digest: isDigest ? digits : nil)
            let isKnown = entries.contains { other in
                if other.identity.name == entry.identity.name {
                    if other.identity != entry.identity { return true }
                    if other.digest == nil, entry.digest == nil { return true }
                }
                return entry.digest != nil && other.digest == entry.digest
            }
            guard !isKnown else { return nil }
            entries.append(entry)
        }
        return (1...maximumCount).contains(entries.count) ? entries : nil
    }

    private static func isName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0)
                    || (0x61...0x7A).contains($0) || "._-".utf8.contains($0)
            }
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    TokenFile.check(FuzzInput(start, count))
    return 0
}
