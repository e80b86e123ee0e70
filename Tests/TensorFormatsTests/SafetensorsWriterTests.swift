import StrictJSON
import TensorFormats
import Tensors
import Testing

@Suite struct SafetensorsWriterTests {
    func spec(_ name: String, _ type: ElementType, _ shape: [Int]) throws -> TensorSpec {
        try #require(TensorSpec(name: name, elementType: type, shape: shape))
    }

    /// The bytes are those of the reference writer's own test of an odd header length.
    @Test func `the JSON is the reference writer's`() throws {
        let header = SafetensorsWriter.header(
            tensors: [try spec("attn0", .f32, [1, 1, 2, 3])], metadata: [], alignment: 8)
        let json = #"{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       "#
        #expect(header == [72, 0, 0, 0, 0, 0, 0, 0] + Array(json.utf8))
    }

    @Test func `a model without tensors is the reference writer's`() {
        #expect(
            SafetensorsWriter.header(tensors: [], metadata: [], alignment: 8)
                == SafetensorsFixtures.empty)
    }

    @Test func `a file from Python is written again as it was`() throws {
        let original = try decode(SafetensorsFixtures.mixed).header
        let written = SafetensorsWriter.header(
            tensors: original.tensors.map(\.spec), metadata: original.metadata, alignment: 8)
        #expect(written == original.bytes)
    }

    @Test(arguments: [8, 64, 4096])
    func `a header is a multiple of the alignment`(alignment: Int) throws {
        for length in 0..<130 {
            let header = SafetensorsWriter.header(
                tensors: [try spec(String(repeating: "n", count: length), .u8, [2])],
                metadata: [], alignment: alignment)
            #expect(header.count % alignment == 0)
            let spaces = header.reversed().prefix { $0 == UInt8(ascii: " ") }.count
            #expect(spaces < alignment)
            #expect(header[8] == UInt8(ascii: "{"))
            #expect(try decode(header + [1, 2]).data == [[1, 2]])
        }
    }

    @Test func `a header has the size it is given`() throws {
        let tensors = [try spec("a", .f32, [1])]
        let step = [(name: "step", value: "9")]
        let short = SafetensorsWriter.header(tensors: tensors, metadata: step, byteCount: 256)
        let long = SafetensorsWriter.header(
            tensors: tensors, metadata: [("step", "100000000000")], byteCount: 256)
        #expect(short.count == 256)
        #expect(long.count == 256)
        #expect(try decode(long + [1, 2, 3, 4]).header.metadata.map(\.value) == ["100000000000"])
        let tight = SafetensorsWriter.header(tensors: tensors, metadata: step, alignment: 8)
        #expect(
            SafetensorsWriter.header(tensors: tensors, metadata: step, byteCount: tight.count)
                == tight)
    }

    @Test func `what is written is read back`() throws {
        let tensors = [
            try spec("", .f64, []), try spec("quote\" back\\ line\n nul\u{0}", .bf16, [3]),
            try spec("größe", .f32, [0, 5]), try spec("日本", .bool, [2, 2, 1]),
            try spec("end", .i64, [0]),
        ]
        let metadata = [(name: "k\"\t", value: "v\\\u{1F}"), (name: "", value: "")]
        let header = SafetensorsWriter.header(tensors: tensors, metadata: metadata)
        let data = (0..<18).map { UInt8($0) }
        let model = try decode(header + data, bodyByteCount: header.count + 18)
        #expect(model.header.tensors.map(\.spec) == tensors)
        #expect(model.header.metadata.map(\.name) == metadata.map(\.name))
        #expect(model.header.metadata.map(\.value) == metadata.map(\.value))
        #expect(Array(model.data.joined()) == data)
    }

    @Test func `a name that breaks the format stops the writer`() async {
        await #expect(processExitsWith: .failure) {
            let tensor = TensorSpec(name: "__metadata__", elementType: .u8, shape: [1])
            _ = SafetensorsWriter.header(tensors: [try #require(tensor)], metadata: [])
        }
    }

    @Test func `a header that does not fit its size stops the writer`() async {
        await #expect(processExitsWith: .failure) {
            let tensor = TensorSpec(name: "a", elementType: .u8, shape: [1])
            _ = SafetensorsWriter.header(
                tensors: [try #require(tensor)], metadata: [], byteCount: 56)
        }
    }
}
