import Tensors
import Testing

@testable import Sessions

/// One tensor of an uploaded model.
struct TestTensor {
    var name: String
    var type: ElementType
    var shape: [Int]
    var bytes: [UInt8]

    /// `values` are the elements' bits.
    init<Value: BitwiseCopyable>(
        _ name: String, _ type: ElementType, _ values: [Value], shape: [Int]? = nil
    ) {
        self.name = name
        self.type = type
        self.shape = shape ?? [values.count]
        bytes = values.withUnsafeBytes { Array($0) }
    }

    /// An F32 tensor.
    init(_ name: String, _ values: [Float]) {
        self.init(name, .f32, values)
    }
}

/// A safetensors file of these tensors in this order, put together by hand.
func model(_ tensors: [TestTensor]) -> [UInt8] {
    var entries: [String] = []
    var data: [UInt8] = []
    for tensor in tensors {
        let end = data.count + tensor.bytes.count
        entries.append(
            "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":\(tensor.shape),"
                + "\"data_offsets\":[\(data.count),\(end)]}")
        data += tensor.bytes
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
}

/// A model of one F32 tensor `w`.
func model(_ values: Float...) -> [UInt8] { model([TestTensor("w", values)]) }

extension Session {
    /// A tensor of an average's published model, as stored.
    func values<Value: BitwiseCopyable>(
        _ tensor: String = "w", of average: String = "main", as type: Value.Type = Float.self
    ) throws -> [Value] {
        let model = try model(of: average)
        let entry = model.layout.entries[try #require(model.layout.index(of: tensor))]
        let bytes = model.bytes(of: entry)
        return (0..<bytes.count / MemoryLayout<Value>.size).map {
            bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: type)
        }
    }
}
