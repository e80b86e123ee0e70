import TensorFormats
import Tensors
import Testing

@Suite struct SafetensorsLimitsTests {
    /// The error of a body's first bytes alone: what comes later cannot matter.
    func refusal(
        of bytes: [UInt8], limits: SafetensorsLimits = roomy, bodyByteCount: Int? = nil
    ) throws -> ModelError {
        var decoder = SafetensorsDecoder(
            limits: limits, bodyByteCount: bodyByteCount, reusing: nil)
        return try #require(throws: ModelError.self) {
            try bytes.withUnsafeBytes { try decoder.receiveHeader($0) }
        }
    }

    func length(_ count: UInt64) -> [UInt8] {
        withUnsafeBytes(of: count.littleEndian) { [UInt8]($0) }
    }

    @Test(arguments: [101, 1 << 31, 1 << 62, UInt64.max - 7, UInt64.max])
    func `a header longer than the limit is refused by its length`(count: UInt64) throws {
        var limits = roomy
        limits.headerBytes = 100
        let error = try refusal(of: length(count), limits: limits)
        guard case .tooLarge(_, let limit) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(limit == 100)
    }

    @Test func `the format's own limit holds whatever the service allows`() throws {
        var limits = roomy
        limits.headerBytes = Int.max
        #expect(try refusal(of: length(100_000_001), limits: limits).category == .tooLarge)
        var decoder = SafetensorsDecoder(limits: limits, bodyByteCount: nil, reusing: nil)
        let taken = try length(100_000_000).withUnsafeBytes { try decoder.receiveHeader($0) }
        #expect(taken == 8)
    }

    @Test func `a header longer than the body is refused by its length`() throws {
        let error = try refusal(of: length(93), bodyByteCount: 100)
        #expect(error.category == .malformed)
        #expect(error.offset == 0)
        var decoder = SafetensorsDecoder(limits: roomy, bodyByteCount: 100, reusing: nil)
        #expect(try length(92).withUnsafeBytes { try decoder.receiveHeader($0) } == 8)
    }

    @Test func `a body that is too small or too large is refused by its first byte`() throws {
        #expect(try refusal(of: [2], bodyByteCount: 7).category == .malformed)
        var limits = roomy
        limits.modelBytes = 1_000
        #expect(try refusal(of: [2], limits: limits, bodyByteCount: 1_001).category == .tooLarge)
    }

    static let one = #"{"a":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}}"#

    @Test(arguments: [-17, -16, -1, 1, 1_000])
    func `a body of another length than the header says is refused before its data`(
        difference: Int
    ) throws {
        let header = body(Self.one, data: 0)
        let error = try refusal(of: header, bodyByteCount: header.count + 16 + difference)
        #expect(error.category == .malformed)
    }

    @Test func `a model beyond the limit is refused by its header`() throws {
        var limits = roomy
        let whole = body(Self.one, data: 16)
        limits.modelBytes = whole.count
        #expect(throws: Never.self) { try decode(whole, limits: limits) }
        limits.modelBytes = whole.count - 1
        #expect(try refusal(of: Array(whole.dropLast(16)), limits: limits).category == .tooLarge)
    }

    @Test func `a size whose sum with the header overflows is refused`() throws {
        let json =
            #"{"a":{"dtype":"U8","shape":[9223372036854775807],"#
            + #""data_offsets":[0,9223372036854775807]}}"#
        var limits = roomy
        limits.modelBytes = Int.max
        let error = try refusal(of: body(json, data: 0), limits: limits)
        #expect(error.category == .tooLarge)
    }

    @Test func `too many tensors are refused`() throws {
        var limits = roomy
        limits.tensors = 3
        func model(_ count: Int) -> [UInt8] {
            let entries = (0..<count).map {
                #""t\#($0)":{"dtype":"U8","shape":[1],"data_offsets":[\#($0),\#($0 + 1)]}"#
            }
            return body("{" + entries.joined(separator: ",") + "}", data: count)
        }
        #expect(try decode(model(3), limits: limits).data == [[1], [2], [3]])
        #expect(try refusal(of: model(4), limits: limits).category == .tooLarge)
    }

    @Test func `too many metadata entries are refused`() throws {
        var limits = roomy
        limits.tensors = 2
        #expect(throws: Never.self) {
            try decode(body(#"{"__metadata__":{"a":"","b":""}}"#, data: 0), limits: limits)
        }
        let error = try refusal(
            of: body(#"{"__metadata__":{"a":"","b":"","c":""}}"#, data: 0), limits: limits)
        #expect(error.category == .tooLarge)
    }

    @Test func `a rank beyond 64 is refused`() throws {
        func model(rank: Int) -> [UInt8] {
            let shape = repeatElement("1", count: rank).joined(separator: ",")
            return body(
                #"{"a":{"dtype":"U8","shape":[\#(shape)],"data_offsets":[0,1]}}"#, data: 1)
        }
        #expect(try decode(model(rank: 64)).header.tensors[0].spec.shape.count == 64)
        #expect(try refusal(of: model(rank: 65)).category == .tooLarge)
    }
}
