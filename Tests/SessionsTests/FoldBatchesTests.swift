import TensorFormats
import Tensors
import Testing

@testable import Sessions

/// A data section is cut so that every element is folded once, in batches of bounded size.
@Suite struct FoldBatchesTests {
    /// A header of tensors with these types and element counts.
    private static func header(_ tensors: [(type: ElementType, count: Int)]) throws
        -> SafetensorsHeader
    {
        var entries: [String] = []
        var begin = 0
        for (index, tensor) in tensors.enumerated() {
            let end = begin + tensor.count * tensor.type.byteCount
            entries.append(
                #""t\#(index)":{"dtype":"\#(tensor.type.rawValue)","shape":[\#(tensor.count)],"#
                    + #""data_offsets":[\#(begin),\#(end)]}"#)
            begin = end
        }
        let text = Array("{\(entries.joined(separator: ","))}".utf8)
        let bytes = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
        var decoder = SafetensorsDecoder(
            limits: SafetensorsLimits(headerBytes: 1 << 20, modelBytes: 1 << 30, tensors: 1000),
            bodyByteCount: nil, reusing: nil)
        _ = try bytes.withUnsafeBytes { try decoder.receiveHeader($0) }
        return try #require(decoder.header)
    }

    @Test(arguments: [8, 12, 64, 1000, 1 << 20])
    func `each element is in one piece and each batch fits`(byteCount: Int) throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let header = try Self.header(
                (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    let type = [ElementType.f64, .f32, .bf16, .u8].randomElement(using: &random)
                    return (type ?? .f32, Int.random(in: 0...300, using: &random))
                })
            let cut = FoldBatches(header, byteCount: byteCount)
            var position = 0
            for piece in cut.pieces {
                let tensor = header.tensors[piece.tensor]
                #expect(piece.bytes.lowerBound == position && !piece.bytes.isEmpty)
                let size = tensor.spec.elementType.byteCount
                #expect(piece.bytes.lowerBound == tensor.byteOffset + piece.elementOffset * size)
                #expect(piece.bytes.upperBound <= tensor.byteOffset + tensor.spec.byteCount)
                #expect(piece.bytes.count % size == 0)
                position = piece.bytes.upperBound
            }
            #expect(position == header.dataByteCount)
            #expect(cut.batches.flatMap { Array($0) } == Array(cut.pieces.indices))
            for batch in cut.batches {
                #expect(cut.byteRange(of: batch).count <= byteCount)
            }
        }
    }

    @Test func `large tensors are cut and small ones share a batch`() throws {
        let header = try Self.header([(.f32, 100), (.u8, 3), (.f64, 2)])
        let cut = FoldBatches(header, byteCount: 256)
        #expect(cut.pieces.map(\.bytes) == [0..<256, 256..<400, 400..<403, 403..<419])
        #expect(cut.batches == [0..<1, 1..<4])
    }
}
