public import Tensors

/// The header of a safetensors file, complete and valid.
///
/// Format: `u64` N little-endian, N bytes of JSON, then the data without holes. What is valid
/// follows the reference reader; see `SafetensorsDecoder`.
public final class SafetensorsHeader: Sendable {
    /// One tensor and where its data lies.
    public struct Entry: Sendable, Equatable {
        /// Name, type and shape.
        public let spec: TensorSpec
        /// The position of its first byte within the data, which begins after the header.
        public let byteOffset: Int
    }

    /// In the order of the data. Zero-size tensors come before the tensor at the same position.
    public let tensors: [Entry]
    /// `__metadata__` in the order of the header; empty when there is none.
    public let metadata: [(name: String, value: String)]
    /// The header as it came: the 8 bytes of the length and the JSON.
    public let bytes: [UInt8]
    /// Bytes of all tensors together.
    public let dataByteCount: Int

    init(tensors: [Entry], metadata: [(name: String, value: String)], bytes: [UInt8]) {
        self.tensors = tensors
        self.metadata = metadata
        self.bytes = bytes
        dataByteCount = tensors.last.map { $0.byteOffset + $0.spec.byteCount } ?? 0
    }
}

/// What a body may demand of the service.
public struct SafetensorsLimits: Sendable {
    /// The format's own bound for a header's length, which the reference reader enforces.
    static let formatHeaderBytes = 100_000_000
    /// Tensors beyond this rank are refused: NumPy and PyTorch end there, and a shape's length is
    /// otherwise the peer's to choose.
    static let rank = 64

    /// Bytes of a header's JSON; at most `formatHeaderBytes` has an effect.
    public var headerBytes: Int
    /// Bytes of the whole model, header included.
    public var modelBytes: Int
    /// Tensors in a model, and as many entries in its metadata.
    public var tensors: Int

    public init(headerBytes: Int, modelBytes: Int, tensors: Int) {
        self.headerBytes = headerBytes
        self.modelBytes = modelBytes
        self.tensors = tensors
    }
}
