import StrictJSON
public import Tensors

/// Writes what comes before the data of a safetensors file.
public enum SafetensorsWriter {
    /// The 8 bytes of the length and the JSON, which begins with `{` and is padded with spaces.
    ///
    /// - Parameters:
    ///   - tensors: In the order of the data, whose positions follow from it. Names must be unique
    ///     and none may be `__metadata__`.
    ///   - metadata: Written in its order; names must be unique. Nothing is written when empty.
    ///   - alignment: The result is a multiple of it (itself a multiple of 8, as the format asks).
    ///   - byteCount: The result's exact size instead, so that it stays the same while numbers in
    ///     the metadata grow. The header must fit.
    public static func header(
        tensors: [TensorSpec], metadata: [(name: String, value: String)], alignment: Int = 64,
        byteCount: Int? = nil
    ) -> [UInt8] {
        precondition(alignment > 0 && alignment % 8 == 0, "the format asks for multiples of 8")
        let json = json(tensors: tensors, metadata: metadata)
        let lengthByteCount = MemoryLayout<UInt64>.size
        let unpadded = lengthByteCount + json.count
        let total = byteCount ?? (unpadded + alignment - 1) / alignment * alignment
        precondition(total >= unpadded && total % 8 == 0, "the header must fit its size")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(total)
        withUnsafeBytes(of: UInt64(total - lengthByteCount).littleEndian) {
            bytes.append(contentsOf: $0)
        }
        bytes.append(contentsOf: json)
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: total - unpadded))
        return bytes
    }

    private static func json(
        tensors: [TensorSpec], metadata: [(name: String, value: String)]
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 128 * (tensors.count + metadata.count + 1))
        writer.beginObject()
        if !metadata.isEmpty {
            writer.key("__metadata__")
            writer.beginObject()
            for (name, value) in metadata {
                writer.member(name, value)
            }
            writer.endObject()
        }
        var position = 0
        for tensor in tensors {
            precondition(tensor.name != "__metadata__", "the format keeps this name for itself")
            writer.key(tensor.name)
            writer.beginObject()
            writer.member("dtype", tensor.elementType.rawValue)
            writer.key("shape")
            writer.beginArray()
            for dimension in tensor.shape { writer.int(dimension) }
            writer.endArray()
            writer.key("data_offsets")
            writer.beginArray()
            writer.int(position)
            position += tensor.byteCount
            writer.int(position)
            writer.endArray()
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes
    }
}
