import ServiceLimits
import TensorFormats
import Tensors
import Testing

@testable import Sessions

@Suite struct ModelLayoutTests {
    static let tensors = [
        TestTensor("z", .f16, [0, 0] as [UInt16], shape: [2, 1]),
        TestTensor("ä", .bool, [1] as [UInt8]),
        TestTensor("b", .f32, [0, 0, 0] as [Float]),
        TestTensor("c", .f64, [0] as [Double], shape: []),
        TestTensor("B", .bf16, [0] as [UInt16]),
        TestTensor("n", .i64, [0, 0] as [Int64]),
        TestTensor("a", .u16, [0] as [UInt16]),
        TestTensor("e", .f32, [] as [Float], shape: [0, 4]),
    ]

    static func header(_ tensors: [TestTensor]) throws -> SafetensorsHeader {
        var decoder = SafetensorsDecoder(
            limits: SafetensorsLimits(Limits()), bodyByteCount: nil, reusing: nil)
        let bytes = model(tensors)
        _ = try bytes.withUnsafeBytes { try decoder.receiveHeader($0) }
        return try #require(decoder.header)
    }

    private func layout(_ accumulator: AccumulatorSetting) throws -> ModelLayout {
        ModelLayout(header: try Self.header(Self.tensors), accumulator: accumulator)
    }

    @Test func tensorsLieWiderTypesFirstThenByNameInByteOrder() throws {
        let layout = try layout(.auto)
        #expect(layout.entries.map(\.model.name) == ["c", "n", "B", "b", "e", "z", "a", "ä"])
        #expect(layout.entries.map(\.byteOffset) == [0, 8, 24, 28, 40, 40, 48, 50])
        #expect(layout.dataByteCount == 51)
        #expect(layout.elementCount == 11)
        #expect(layout.index(of: "z") == 5)
        #expect(layout.index(of: "y") == nil)
    }

    @Test func floatsAreKeptInF32OrF64AndTheRestAsItIs() throws {
        #expect(
            try layout(.auto).entries.map(\.stored.elementType)
                == [.f64, .i64, .f32, .f32, .f32, .f32, .u16, .bool])
        #expect(
            try layout(.auto).entries.map(\.isAveraged)
                == [true, false, true, true, true, true, false, false])
        let wide = try layout(.f64)
        #expect(wide.entries.map(\.model.name) == ["B", "b", "c", "e", "n", "z", "a", "ä"])
        #expect(
            wide.entries.map(\.stored.elementType)
                == [.f64, .f64, .f64, .f64, .i64, .f64, .u16, .bool])
        #expect(wide.entries[5].model.elementType == .f16)
        #expect(wide.entries[5].stored.shape == [2, 1])
    }

    @Test func theSavedLayoutIsTheSame() throws {
        let layout = try layout(.auto)
        let again = try ModelLayout(json(text { layout.write(to: &$0) }))
        #expect(again.entries.map(\.model) == layout.entries.map(\.model))
        #expect(again.entries.map(\.stored) == layout.entries.map(\.stored))
        #expect(again.entries.map(\.byteOffset) == layout.entries.map(\.byteOffset))
        #expect(again.dataByteCount == 51)
    }
}

@Suite struct UploadPlanTests {
    private func layout() throws -> ModelLayout {
        ModelLayout(
            header: try ModelLayoutTests.header([
                TestTensor("w", .f32, [0, 0, 0, 0, 0, 0] as [Float], shape: [2, 3]),
                TestTensor("n", .i32, [0] as [Int32], shape: []),
            ]), accumulator: .auto)
    }

    private func plan(_ tensors: [TestTensor]) throws -> Result<UploadPlan, SessionError> {
        let header = try ModelLayoutTests.header(tensors)
        let layout = try layout()
        return Result { () throws(SessionError) in
            try UploadPlan(header: header, layout: layout)
        }
    }

    private let n = TestTensor("n", .i32, [0] as [Int32], shape: [])

    @Test func anyOrderAndAnyFloatTypeFits() throws {
        let w = TestTensor("w", .bf16, [UInt16](repeating: 0, count: 6), shape: [2, 3])
        let plan = try plan([w, n]).get()
        #expect(plan.targets.map(\.entry) == [1, 0])
        #expect(plan.targets.map(\.byteOffset) == [4, 0])
        #expect(plan.targets.map(\.uploadedType) == [.bf16, .i32])
        #expect(plan.targets.map(\.storedType) == [.f32, .i32])
        #expect(plan.slotRanges(ofBody: 0..<4) == [4..<12])
        // The last byte of w's element 5, the first of n: whole elements of both.
        #expect(plan.slotRanges(ofBody: 11..<13) == [24..<28, 0..<4])
        #expect(plan.slotRanges(ofBody: 5..<5) == [])
    }

    @Test(arguments: [
        ("shape", "w", "F32 [2, 3]", "F32 [3, 2]"), ("rank", "w", "F32 [2, 3]", "F32 [6]"),
        ("kind", "w", "F32 [2, 3]", "I32 [2, 3]"), ("integer", "n", "I32 []", "U32 []"),
        ("extra", "x", "no tensor of this name", "F32 [1]"),
        ("missing", "n", "I32 []", "nothing"),
    ])
    func theFirstDifferenceIsNamed(
        change: String, tensor: String, expected: String, received: String
    ) throws {
        let six = [Float](repeating: 0, count: 6)
        let w = TestTensor("w", .f32, six, shape: [2, 3])
        let tensors =
            switch change {
            case "shape": [TestTensor("w", .f32, six, shape: [3, 2]), n]
            case "rank": [TestTensor("w", .f32, six, shape: [6]), n]
            case "kind": [TestTensor("w", .i32, six, shape: [2, 3]), n]
            case "integer": [w, TestTensor("n", .u32, [0] as [UInt32], shape: [])]
            case "extra": [w, TestTensor("x", [1]), n]
            default: [w]
            }
        let error = SessionError.layoutMismatch(
            tensor: tensor, expected: expected, received: received)
        #expect(throws: error) { _ = try plan(tensors).get() }
    }
}
