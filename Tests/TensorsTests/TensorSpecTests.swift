import Tensors
import Testing

@Suite struct TensorSpecTests {
    func spec(_ shape: [Int], _ type: ElementType = .f32) -> TensorSpec? {
        TensorSpec(name: "t", elementType: type, shape: shape)
    }

    @Test func `elements are the product of the shape`() {
        #expect(spec([2, 3, 4])?.elementCount == 24)
        #expect(spec([2, 3, 4])?.byteCount == 96)
        #expect(spec([2, 3], .bool)?.byteCount == 6)
        #expect(spec([7], .f64)?.byteCount == 56)
    }

    @Test func `rank 0 has one element`() {
        #expect(spec([])?.elementCount == 1)
        #expect(spec([], .bf16)?.byteCount == 2)
    }

    @Test func `a zero dimension makes an empty tensor`() {
        #expect(spec([0])?.byteCount == 0)
        #expect(spec([3, 0, 5])?.elementCount == 0)
    }

    @Test func `a negative dimension is refused wherever it stands`() {
        #expect(spec([-1]) == nil)
        #expect(spec([0, -1]) == nil)
        #expect(spec([-2, -3]) == nil)
        #expect(spec([Int.min]) == nil)
        #expect(spec([Int.min, -1]) == nil)
    }

    @Test func `a size that no Int holds is refused`() {
        #expect(spec([Int.max], .u8)?.byteCount == Int.max)
        #expect(spec([Int.max], .f16) == nil)
        #expect(spec([Int.max / 8], .f64)?.byteCount == Int.max / 8 * 8)
        #expect(spec([Int.max / 8 + 1], .f64) == nil)
        #expect(spec([1 << 32, 1 << 31], .u8) == nil)
        #expect(spec([1 << 31, 1 << 31], .u8)?.elementCount == 1 << 62)
    }

    /// The reference reader multiplies from left to right with overflow checks: zero first saves
    /// the product, zero last comes too late.
    @Test func `a zero dimension counts where it stands`() {
        #expect(spec([0, Int.max, Int.max])?.elementCount == 0)
        #expect(spec([Int.max, 0, Int.max])?.elementCount == 0)
        #expect(spec([Int.max, Int.max, 0]) == nil)
    }

    @Test func `specs are equal when name, type and shape are`() {
        #expect(spec([2, 3]) == spec([2, 3]))
        #expect(spec([2, 3]) != spec([3, 2]))
        #expect(spec([2, 3]) != spec([2, 3], .i32))
        #expect(spec([2]) != TensorSpec(name: "u", elementType: .f32, shape: [2]))
    }
}
