/// Whole elements of one tensor, as they came out of a body.
public struct TensorPiece {
    /// The tensor's index in the header's list.
    public let tensor: Int
    /// How many of the tensor's elements came before.
    public let elementOffset: Int
    /// Whole elements in little-endian order, at any alignment. Valid during the call only.
    public let bytes: UnsafeRawBufferPointer

    public init(tensor: Int, elementOffset: Int, bytes: UnsafeRawBufferPointer) {
        self.tensor = tensor
        self.elementOffset = elementOffset
        self.bytes = bytes
    }
}
