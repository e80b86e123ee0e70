import Tensors
import Testing

@Suite struct ElementTypeTests {
    /// Names and sizes of the safetensors format's `Dtype`.
    @Test(arguments: [
        ("F64", 8, true), ("F32", 4, true), ("F16", 2, true), ("BF16", 2, true), ("I64", 8, false),
        ("I32", 4, false), ("I16", 2, false), ("I8", 1, false), ("U64", 8, false),
        ("U32", 4, false), ("U16", 2, false), ("U8", 1, false), ("BOOL", 1, false),
    ])
    func `a type has the format's name and size`(name: String, byteCount: Int, isFloat: Bool) {
        let type = ElementType(rawValue: name)
        #expect(type?.byteCount == byteCount)
        #expect(type?.isFloat == isFloat)
    }

    @Test func `there are thirteen types`() {
        #expect(ElementType.allCases.count == 13)
    }

    @Test(arguments: ["", "f32", "F32 ", "F8_E4M3", "F8_E5M2", "C64", "float32"])
    func `other names are no type`(name: String) {
        #expect(ElementType(rawValue: name) == nil)
    }
}
