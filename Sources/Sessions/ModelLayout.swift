import TensorFormats
public import Tensors

/// What the first folded model fixes for a session: names, shapes, order, what is averaged, and in
/// which type (strategies.md section 3). Immutable, so it crosses threads freely.
public final class ModelLayout: Sendable {
    /// One tensor of the layout.
    public struct Entry: Sendable {
        /// Name, shape and element type of the first upload.
        public let model: TensorSpec
        /// As kept: the accumulator's type, or for a `latest` tensor its own.
        public let stored: TensorSpec
        /// Position of the tensor's bytes in the data section.
        public let byteOffset: Int

        /// Whether the tensor is averaged; otherwise its newest value is kept.
        public var isAveraged: Bool { model.elementType.isFloat }
    }

    /// Canonical order: wider accumulator types first, then by name in byte order.
    public let entries: [Entry]
    /// Length of the data section as stored.
    public let dataByteCount: Int
    private let indices: [String: Int]

    convenience init(header: SafetensorsHeader, accumulator: AccumulatorSetting) {
        let tensors = header.tensors.map { tensor -> (model: TensorSpec, stored: TensorSpec) in
            let type = accumulator.storedType(for: tensor.spec.elementType)
            return (tensor.spec, tensor.spec.withElementType(type))
        }
        let sorted = tensors.sorted { left, right in
            let (a, b) = (left.stored.elementType.byteCount, right.stored.elementType.byteCount)
            return a != b
                ? a > b : left.model.name.utf8.lexicographicallyPrecedes(right.model.name.utf8)
        }
        self.init(canonical: sorted)
    }

    /// - Parameter canonical: in canonical order.
    init(canonical: [(model: TensorSpec, stored: TensorSpec)]) {
        var offset = 0
        var entries: [Entry] = []
        var indices: [String: Int] = [:]
        for tensor in canonical {
            indices[tensor.model.name] = entries.count
            entries.append(Entry(model: tensor.model, stored: tensor.stored, byteOffset: offset))
            offset += tensor.stored.byteCount
        }
        self.entries = entries
        self.indices = indices
        dataByteCount = offset
    }

    /// The index in `entries` of the tensor of this name.
    public func index(of tensor: String) -> Int? { indices[tensor] }

    /// Elements of all tensors.
    public var elementCount: Int { entries.reduce(0) { $0 + $1.model.elementCount } }
}

/// The `accumulator` setting.
public enum AccumulatorSetting: String, Sendable, CaseIterable {
    /// F64 for tensors uploaded as F64, F32 for every other float type.
    case auto
    /// F64 for all averaged tensors.
    case f64 = "F64"

    func storedType(for type: ElementType) -> ElementType {
        guard type.isFloat else { return type }
        return self == .f64 || type == .f64 ? .f64 : .f32
    }
}

extension TensorSpec {
    /// The same tensor with another element type of at most 8 bytes.
    ///
    /// A model's size is bounded far below where eight bytes an element could overflow.
    public func withElementType(_ type: ElementType) -> TensorSpec {
        guard let spec = TensorSpec(name: name, elementType: type, shape: shape) else {
            preconditionFailure("\(name): a model within Limits.modelBytes overflows as \(type)")
        }
        return spec
    }
}
