import TensorFormats
import Tensors
import Testing

@Suite struct SafetensorsDecoderTests {
    /// Shapes and bytes as Python's `array.shape` and `array.tobytes()` give them.
    static let expected: [(name: String, type: ElementType, shape: [Int], bytes: [UInt8])] = [
        ("u64", .u64, [1], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("steps", .i64, [], [0xF9, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        (
            "layer.bias", .f64, [2],
            [
                0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F,
                0x9C, 0x75, 0x00, 0x88, 0x3C, 0xE4, 0x37, 0xFE,
            ]
        ),
        ("empty", .f32, [0, 4], []),
        ("größe \"a/b\"\\\n", .f32, [1], [0x00, 0x00, 0x28, 0x42]),
        (
            "layer.weight", .f32, [2, 3],
            [
                0x00, 0x00, 0xC0, 0x3F, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0x50, 0x40,
                0xCD, 0xCC, 0xCC, 0x3D, 0x00, 0x00, 0x00, 0x80, 0xC2, 0x16, 0x01, 0x00,
            ]
        ),
        ("u32", .u32, [1], [0xFF, 0xFF, 0xFF, 0xFF]),
        ("i32", .i32, [1], [0x00, 0x00, 0x00, 0x80]),
        ("half", .f16, [3], [0xFF, 0x7B, 0x00, 0xB8, 0x01, 0x00]),
        ("u16", .u16, [1], [0xFF, 0xFF]),
        ("i16", .i16, [2], [0x00, 0x80, 0x05, 0x00]),
        ("i8", .i8, [1], [0x80]),
        ("bytes", .u8, [2], [0x00, 0xFF]),
        ("mask", .bool, [3], [0x01, 0x00, 0x01]),
    ]

    func expectMixed(_ model: DecodedModel, _ comment: Comment? = nil) {
        #expect(model.header.tensors.map(\.spec.name) == Self.expected.map(\.name), comment)
        var position = 0
        for (index, expected) in Self.expected.enumerated() {
            let entry = model.header.tensors[index]
            #expect(entry.spec.elementType == expected.type, comment)
            #expect(entry.spec.shape == expected.shape, comment)
            #expect(entry.byteOffset == position, comment)
            #expect(model.data[index] == expected.bytes, comment)
            position += expected.bytes.count
        }
        #expect(model.header.dataByteCount == position, comment)
    }

    @Test func `a file from Python is read as Python wrote it`() throws {
        let fixture = SafetensorsFixtures.mixed
        let model = try decode(fixture, bodyByteCount: fixture.count)
        expectMixed(model)
        #expect(model.header.metadata.map(\.name) == ["note", "format"])
        #expect(model.header.metadata.map(\.value) == ["é\t", "np"])
        #expect(model.header.bytes == Array(fixture[..<(fixture.count - 86)]))
    }

    @Test func `BF16 from Python is read`() throws {
        let model = try decode(SafetensorsFixtures.bfloat16)
        #expect(model.header.tensors[0].spec.elementType == .bf16)
        #expect(model["bf"] == [0x80, 0x3F, 0x00, 0xC0, 0xC0, 0x7F])
    }

    @Test func `a file without tensors is read`() throws {
        let model = try decode(SafetensorsFixtures.empty, bodyByteCount: 16)
        #expect(model.header.tensors.isEmpty)
        #expect(model.header.metadata.isEmpty)
        #expect(model.header.dataByteCount == 0)
    }

    @Test func `a cut at any byte changes nothing`() throws {
        let fixture = SafetensorsFixtures.mixed
        for cut in 0...fixture.count {
            expectMixed(try decode(fixture, cuts: [cut]), "cut at \(cut)")
        }
    }

    @Test(arguments: [1, 2, 3, 5, 7, 11, 64, 100])
    func `chunks of any size change nothing`(size: Int) throws {
        let fixture = SafetensorsFixtures.mixed
        let cuts = Array(stride(from: 0, to: fixture.count, by: size))
        expectMixed(try decode(fixture, cuts: cuts))
    }

    @Test func `every pair of cuts within the data changes nothing`() throws {
        let fixture = SafetensorsFixtures.mixed
        let data = fixture.count - 40
        for first in data...fixture.count {
            for second in first...fixture.count {
                expectMixed(try decode(fixture, cuts: [first, second]))
            }
        }
    }

    @Test func `a large piece is handed on in place`() throws {
        let body = body(
            #"{"a":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}"#, data: 4_000)
        try body.withUnsafeBytes { bytes in
            var decoder = SafetensorsDecoder(
                limits: roomy, bodyByteCount: nil, reusing: nil)
            let taken = try decoder.receiveHeader(bytes)
            #expect(taken == body.count - 4_000)
            var pieces: [(Int, UnsafeRawPointer?, Int)] = []
            // One byte and a half element at the ends stay behind.
            let first = UnsafeRawBufferPointer(rebasing: bytes[taken..<taken + 2_003])
            let second = UnsafeRawBufferPointer(rebasing: bytes[(taken + 2_003)...])
            for chunk in [first, second] {
                try decoder.receiveData(chunk) {
                    pieces.append(($0.elementOffset, $0.bytes.baseAddress, $0.bytes.count))
                }
            }
            #expect(pieces.map(\.0) == [0, 500, 501])
            #expect(pieces.map(\.2) == [2_000, 4, 1_996])
            #expect(pieces[0].1 == first.baseAddress)
            #expect(pieces[2].1 == second.baseAddress.map { $0 + 1 })
        }
    }

    @Test func `the header is taken up to its end and no further`() throws {
        let fixture = SafetensorsFixtures.bfloat16
        try fixture.withUnsafeBytes { bytes throws in
            var decoder = SafetensorsDecoder(limits: roomy, bodyByteCount: nil, reusing: nil)
            #expect(
                try decoder.receiveHeader(UnsafeRawBufferPointer(rebasing: bytes[..<63])) == 63)
            #expect(decoder.header == nil)
            #expect(
                try decoder.receiveHeader(UnsafeRawBufferPointer(rebasing: bytes[63...])) == 1)
            #expect(decoder.header != nil)
            #expect(try decoder.receiveHeader(bytes) == 0)
        }
    }

    @Test func `every proper prefix is refused`() throws {
        let fixture = SafetensorsFixtures.mixed
        for count in 0..<fixture.count {
            let prefix = Array(fixture[..<count])
            let error = try #require(throws: ModelError.self) { try decode(prefix) }
            #expect(error.category == .malformed)
            #expect(error.offset == count)
            #expect(throws: ModelError.self) { try decode(prefix, bodyByteCount: count) }
        }
    }

    @Test func `a body that ends within a tensor says which`() throws {
        let fixture = SafetensorsFixtures.mixed
        let error = try #require(throws: ModelError.self) {
            try decode(Array(fixture[..<(fixture.count - 1)]))
        }
        #expect(error.tensor == "mask")
        #expect(error.detail == "the body ended after 981 of 982 bytes")
    }

    @Test func `bytes after the data are refused`() throws {
        let fixture = SafetensorsFixtures.mixed
        for cuts in [[], [fixture.count], [fixture.count - 1], [20]] {
            let error = try #require(throws: ModelError.self) {
                try decode(fixture + [0], cuts: cuts)
            }
            #expect(error.offset == fixture.count)
            #expect(error.category == .malformed)
        }
    }

    @Test func `a known header is taken over without parsing`() throws {
        let fixture = SafetensorsFixtures.mixed
        let first = try decode(fixture)
        let second = try decode(fixture, cuts: [3, 500], reusing: first.header)
        #expect(second.header === first.header)
        expectMixed(second)
    }

    @Test func `a header that differs in one byte is parsed anew`() throws {
        let first = try decode(SafetensorsFixtures.mixed)
        var other = SafetensorsFixtures.mixed
        // The last padding space becomes a line feed, which means the same.
        other[other.count - 87] = 0x0A
        let second = try decode(other, reusing: first.header)
        #expect(second.header !== first.header)
        expectMixed(second)
        #expect(try decode(SafetensorsFixtures.empty, reusing: first.header).data.isEmpty)
    }

    @Test func `a known header is still held against the body and the limits`() throws {
        let fixture = SafetensorsFixtures.mixed
        let known = try decode(fixture).header
        #expect(throws: ModelError.self) {
            try decode(fixture, bodyByteCount: fixture.count + 1, reusing: known)
        }
        var limits = roomy
        limits.modelBytes = fixture.count - 1
        let error = try #require(throws: ModelError.self) {
            try decode(fixture, limits: limits, reusing: known)
        }
        #expect(error.category == .tooLarge)
    }
}
