import TensorFormats
import Tensors
import Testing

/// The expected texts are the bytes that NumPy 2.4.6 (with ml_dtypes for BF16) wrote by `np.save`.
@Suite struct NPYWriterTests {
    /// `\x93NUMPY`, the version 1.0 and the length's two bytes come before `text`, which `padded`
    /// gives its spaces and line feed.
    func expected(_ text: String, length: UInt8) -> [UInt8] {
        let spaces = Int(length) - text.utf8.count - 1
        return [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, length, 0] + Array(text.utf8)
            + [UInt8](repeating: 0x20, count: spaces) + [0x0A]
    }

    @Test(
        arguments: [
            (.f32, [2, 3], "'<f4', 'fortran_order': False, 'shape': (2, 3)", 0x76),
            (.f64, [3], "'<f8', 'fortran_order': False, 'shape': (3,)", 0x76),
            (.i64, [], "'<i8', 'fortran_order': False, 'shape': ()", 0x76),
            (.bool, [1, 1], "'|b1', 'fortran_order': False, 'shape': (1, 1)", 0x76),
            (.bf16, [4], "'<V2', 'fortran_order': False, 'shape': (4,)", 0x76),
            (.u8, [0, 5], "'|u1', 'fortran_order': False, 'shape': (0, 5)", 0x76),
            (.i8, [2], "'|i1', 'fortran_order': False, 'shape': (2,)", 0x76),
            (.u16, [2], "'<u2', 'fortran_order': False, 'shape': (2,)", 0x76),
            (.f16, [2], "'<f2', 'fortran_order': False, 'shape': (2,)", 0x76),
            (.i16, [2], "'<i2', 'fortran_order': False, 'shape': (2,)", 0x76),
            (.i32, [2], "'<i4', 'fortran_order': False, 'shape': (2,)", 0x76),
            (.u32, [2], "'<u4', 'fortran_order': False, 'shape': (2,)", 0x76),
            (.u64, [2], "'<u8', 'fortran_order': False, 'shape': (2,)", 0x76),
            (
                .f32, [Int](repeating: 10, count: 11),
                "'<f4', 'fortran_order': False, "
                    + "'shape': (10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)",
                0x76
            ),
            (
                .f32, [Int](repeating: 10, count: 12),
                "'<f4', 'fortran_order': False, "
                    + "'shape': (10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)",
                0xB6
            ),
            // Aligned without padding: NumPy adds 64 spaces.
            (
                .f32, [1, 1, 1, 1, 10, 10, 10, 10, 10, 10, 10, 10],
                "'<f4', 'fortran_order': False, "
                    + "'shape': (1, 1, 1, 1, 10, 10, 10, 10, 10, 10, 10, 10)",
                0xB6
            ),
        ] as [(ElementType, [Int], String, UInt8)])
    func `a header is NumPy's`(type: ElementType, shape: [Int], text: String, length: UInt8) {
        let header = NPYWriter.header(elementType: type, shape: shape)
        #expect(header == expected("{'descr': \(text), }", length: length))
        #expect(header.count % 64 == 0)
    }

    /// NumPy's lengths for ones of this rank, asked of its header writer.
    @Test func `version 2 is written when the length needs it`() {
        let last = NPYWriter.header(elementType: .f32, shape: [Int](repeating: 1, count: 21_817))
        #expect(last.count == 65_536)
        #expect(last[6...].prefix(5) == [1, 0, 0xF6, 0xFF, UInt8(ascii: "{")])
        let first = NPYWriter.header(elementType: .f32, shape: [Int](repeating: 1, count: 21_818))
        #expect(first.count == 65_600)
        #expect(first[6...].prefix(7) == [2, 0, 0x34, 0x00, 0x01, 0x00, UInt8(ascii: "{")])
    }
}
