public import Tensors

/// Writes what comes before the data of a `.npy` file, byte for byte as NumPy's `np.save` does.
///
/// Format: `numpy.lib.format`, "Format Version 1.0" and "2.0".
public enum NPYWriter {
    /// The header of an array in C order with little-endian elements; a multiple of 64 bytes.
    ///
    /// BF16, which NumPy does not have, is written as two raw bytes (`<V2`), as the `ml_dtypes`
    /// package does.
    ///
    /// - Parameter shape: Rank 0 is written as `()`.
    public static func header(elementType: ElementType, shape: [Int]) -> [UInt8] {
        var dictionary = Array("{'descr': '\(descriptor(elementType))'".utf8)
        dictionary += ", 'fortran_order': False, 'shape': (".utf8
        dictionary += shape.map(String.init).joined(separator: ", ").utf8
        if shape.count == 1 { dictionary += ",".utf8 }
        dictionary += "), }".utf8
        if let first = shape.first {
            // NumPy leaves room for the first dimension to grow to 21 digits in place.
            let room = 21 - String(first).utf8.count
            dictionary += repeatElement(UInt8(ascii: " "), count: room)
        }
        let version1 = padded(dictionary, prefixByteCount: 10)
        if let length = UInt16(exactly: version1.count) {
            return magic + [1, 0] + littleEndian(length) + version1
        }
        let version2 = padded(dictionary, prefixByteCount: 12)
        return magic + [2, 0] + littleEndian(UInt32(version2.count)) + version2
    }

    private static let magic: [UInt8] = [0x93] + "NUMPY".utf8

    /// NumPy's type string: byte order, kind, bytes.
    private static func descriptor(_ elementType: ElementType) -> String {
        switch elementType {
        case .f64: "<f8"
        case .f32: "<f4"
        case .f16: "<f2"
        case .bf16: "<V2"
        case .i64: "<i8"
        case .i32: "<i4"
        case .i16: "<i2"
        case .i8: "|i1"
        case .u64: "<u8"
        case .u32: "<u4"
        case .u16: "<u2"
        case .u8: "|u1"
        case .bool: "|b1"
        }
    }

    /// With spaces and a line feed, so that the data begin at a multiple of 64. Like NumPy this
    /// adds 64 spaces where none would do.
    private static func padded(_ dictionary: [UInt8], prefixByteCount: Int) -> [UInt8] {
        let spaces = 64 - (prefixByteCount + dictionary.count + 1) % 64
        return dictionary + repeatElement(UInt8(ascii: " "), count: spaces) + [UInt8(ascii: "\n")]
    }

    private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
    }
}
