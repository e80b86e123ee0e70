import TensorFormats
import Tensors

/// The safetensors header of an average's slots, of fixed length once the layout is known.
///
/// A slot is a complete safetensors file. Between revisions only two numbers of its header change,
/// so they are written in place, each in a field of its own width: the digits, the closing quote,
/// and spaces, which JSON allows between a value and what follows it.
struct SlotHeader: Sendable {
    private static let digits = 20
    /// Stands for a number in the template; no name in the header can contain it, because the
    /// fields are looked for together with their keys, from the front, where `__metadata__` is.
    private static let blank = String(repeating: "0", count: digits)

    let template: [UInt8]
    private let session: String
    private let average: String
    private let strategy: String
    private let counterOffset: Int
    private let revisionOffset: Int

    var byteCount: Int { template.count }

    /// `tensors` in file order with the types in the file.
    init(tensors: [TensorSpec], session: String, average: String, strategy: String) {
        let header = SafetensorsWriter.header(
            tensors: tensors,
            metadata: [
                ("average_counter", SlotHeader.blank), ("revision", SlotHeader.blank),
                ("session", session), ("average", average), ("strategy", strategy),
            ])
        template = header
        self.session = session
        self.average = average
        self.strategy = strategy
        counterOffset = SlotHeader.valueOffset(of: "average_counter", in: header)
        revisionOffset = SlotHeader.valueOffset(of: "revision", in: header)
    }

    init(_ layout: ModelLayout, session: String, _ average: AverageSettings) {
        self.init(
            tensors: layout.entries.map(\.stored), session: session, average: average.name,
            strategy: average.strategyDescription)
    }

    /// The header of the same average with other tensors, for a converted file.
    func withTensors(_ tensors: [TensorSpec]) -> SlotHeader {
        SlotHeader(tensors: tensors, session: session, average: average, strategy: strategy)
    }

    /// The header's bytes for one revision.
    func bytes(counter: Int, revision: Int) -> [UInt8] {
        var bytes = template
        bytes.withUnsafeMutableBytes { patch($0, counter: counter, revision: revision) }
        return bytes
    }

    /// Writes both numbers into a copy of the template.
    func patch(_ bytes: UnsafeMutableRawBufferPointer, counter: Int, revision: Int) {
        SlotHeader.write(counter, at: counterOffset, into: bytes)
        SlotHeader.write(revision, at: revisionOffset, into: bytes)
    }

    private static func write(
        _ number: Int, at offset: Int, into bytes: UnsafeMutableRawBufferPointer
    ) {
        var position = offset
        for character in String(number).utf8 {
            bytes[position] = character
            position += 1
        }
        bytes[position] = UInt8(ascii: "\"")
        // One place more than the digits: where the template had its closing quote.
        for index in position + 1..<offset + digits + 1 { bytes[index] = UInt8(ascii: " ") }
    }

    private static func valueOffset(of key: String, in header: [UInt8]) -> Int {
        let field = Array("\"\(key)\":\"\(blank)\"".utf8)
        for start in 0..<header.count - field.count
        where header[start] == field[0] && header[start..<start + field.count].elementsEqual(field)
        {
            return start + key.utf8.count + 4
        }
        preconditionFailure("the header written has no metadata field \(key)")
    }
}
