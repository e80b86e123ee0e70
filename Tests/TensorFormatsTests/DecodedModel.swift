import TensorFormats
import Tensors
import Testing

/// What came out of a body: the header and the data of each tensor, by its index.
struct DecodedModel {
    var header: SafetensorsHeader
    var data: [[UInt8]]

    subscript(name: String) -> [UInt8]? {
        header.tensors.firstIndex { $0.spec.name == name }.map { data[$0] }
    }
}

let roomy = SafetensorsLimits(headerBytes: 1 << 20, modelBytes: 1 << 40, tensors: 1_000)

/// Feeds a body in chunks that end at `cuts`, as a connection would; checks each piece's promises.
func decode(
    _ body: [UInt8], cuts: [Int] = [], limits: SafetensorsLimits = roomy,
    bodyByteCount: Int? = nil, reusing previous: SafetensorsHeader? = nil
) throws(ModelError) -> DecodedModel {
    var decoder = SafetensorsDecoder(
        limits: limits, bodyByteCount: bodyByteCount, reusing: previous)
    var data: [[UInt8]] = []
    var begin = 0
    for end in cuts + [body.count] {
        // A chunk is a copy of its own, so that reading beyond it is not reading the next one.
        let chunk = [UInt8](body[begin..<end])
        begin = end
        try chunk.withUnsafeBufferPointer { buffer throws(ModelError) in
            let bytes = UnsafeRawBufferPointer(buffer)
            let taken = try decoder.receiveHeader(bytes)
            guard let header = decoder.header else {
                #expect(taken == bytes.count)
                return
            }
            if data.isEmpty { data = header.tensors.map { _ in [] } }
            try decoder.receiveData(UnsafeRawBufferPointer(rebasing: bytes[taken...])) { piece in
                let size = header.tensors[piece.tensor].spec.elementType.byteCount
                #expect(!piece.bytes.isEmpty && piece.bytes.count % size == 0)
                #expect(piece.elementOffset * size == data[piece.tensor].count)
                data[piece.tensor] += piece.bytes
            }
        }
    }
    try decoder.finish()
    guard let header = decoder.header else { preconditionFailure("finish passed without header") }
    return DecodedModel(header: header, data: data)
}

/// A body from its JSON and so many bytes of data, counting up from 1.
func body(_ json: [UInt8], data byteCount: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) } + json
        + (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 + 1) }
}

func body(_ json: String, data byteCount: Int) -> [UInt8] {
    body(Array(json.utf8), data: byteCount)
}
