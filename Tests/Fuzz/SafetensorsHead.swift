import Foundation
import TensorFormats
import Tensors

/// A safetensors body is read the same however it is cut; a header that is accepted says what
/// another JSON parser reads in it, has no hole and no overlap, and survives being written anew.
enum SafetensorsHead {
    private static let limits = SafetensorsLimits(
        headerBytes: 4096, modelBytes: 1 << 40, tensors: 20)

    private struct Outcome: Equatable {
        var header: [UInt8]?
        var data: [UInt8] = []
        var error: ModelError?
    }

    static func check(_ input: FuzzInput) {
        var input = input
        var header: SafetensorsHeader?
        let whole = decode([input.bytes], &header)
        var cutHeader: SafetensorsHeader?
        let cut = decode(input.pieces(), &cutHeader)
        // Data that is too long is refused before any of its piece is emitted.
        expect(whole.header == cut.header && whole.error == cut.error, "\(whole), \(cut)")
        expect(whole.error != nil || whole.data == cut.data, "other data when cut")
        guard let header else { return }
        expectSound(header)
        expectAgreement(header)
        expectWritable(header)
        if whole.error == nil {
            expect(header.bytes + whole.data == input.bytes, "bytes were lost")
        }
    }

    private static func decode(
        _ pieces: [[UInt8]], _ header: inout SafetensorsHeader?
    ) -> Outcome {
        var outcome = Outcome()
        var decoder = SafetensorsDecoder(limits: limits, bodyByteCount: nil, reusing: nil)
        do throws(ModelError) {
            for piece in pieces {
                try piece.withUnsafeBytes { bytes in
                    Result { () throws(ModelError) in
                        let taken = try decoder.receiveHeader(bytes)
                        guard decoder.header != nil else { return }
                        let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
                        try decoder.receiveData(rest) { outcome.data += $0.bytes }
                    }
                }.get()
            }
            try decoder.finish()
        } catch {
            outcome.error = error
        }
        header = decoder.header
        outcome.header = header?.bytes
        return outcome
    }

    private static func expectSound(_ header: SafetensorsHeader) {
        var position = 0
        for entry in header.tensors {
            expect(entry.byteOffset == position, "a hole or an overlap at \(position)")
            let size = entry.spec.shape.reduce(entry.spec.elementType.byteCount, *)
            expect(entry.spec.byteCount == size, "\(entry.spec) is not \(size) bytes")
            position += size
        }
        expect(header.dataByteCount == position, "\(header.dataByteCount), not \(position)")
        expect(header.tensors.count <= limits.tensors, "too many tensors")
    }

    /// Foundation's parser reads the same.
    private static func expectAgreement(_ header: SafetensorsHeader) {
        // The other parser may take a string's first character for a byte order mark.
        guard !header.bytes.contains(0xEF) else { return }
        let json = Data(header.bytes[8...])
        guard let all = try? JSONSerialization.jsonObject(with: json) as? [String: Any] else {
            return expect(false, "another parser refuses this header")
        }
        let metadata = all["__metadata__"] as? [String: String] ?? [:]
        expect(metadata.count == header.metadata.count, "other metadata")
        for (name, value) in header.metadata {
            expect(metadata[name] == value, "other metadata for \(name)")
        }
        let names = all.keys.filter { $0 != "__metadata__" }
        expect(names.count == header.tensors.count, "other tensors")
        for entry in header.tensors {
            guard let other = all[entry.spec.name] as? [String: Any] else {
                return expect(false, "another parser has no \(entry.spec.name)")
            }
            expect(other["dtype"] as? String == entry.spec.elementType.rawValue, "other dtype")
            expect(other["shape"] as? [Int] == entry.spec.shape, "other shape")
            let end = entry.byteOffset + entry.spec.byteCount
            expect(other["data_offsets"] as? [Int] == [entry.byteOffset, end], "other offsets")
        }
    }

    private static func expectWritable(_ header: SafetensorsHeader) {
        let specs = header.tensors.map(\.spec)
        let written = SafetensorsWriter.header(tensors: specs, metadata: header.metadata)
        let roomy = SafetensorsLimits(headerBytes: 1 << 20, modelBytes: 1 << 40, tensors: 20)
        var decoder = SafetensorsDecoder(limits: roomy, bodyByteCount: nil, reusing: nil)
        let taken = written.withUnsafeBytes { try? decoder.receiveHeader($0) }
        expect(taken == written.count, "what was written is refused")
        expect(decoder.header?.tensors == header.tensors, "what was written reads otherwise")
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    SafetensorsHead.check(FuzzInput(start, count))
    return 0
}
