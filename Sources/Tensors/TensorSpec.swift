/// A tensor's name, element type and shape. Rank 0 (`[]`, one element) and zero sizes are legal.
public struct TensorSpec: Sendable, Equatable {
    /// Any text; unique within a model.
    public let name: String
    /// How one element is stored.
    public let elementType: ElementType
    /// The dimensions, outermost first.
    public let shape: [Int]
    /// The product of `shape`.
    public let elementCount: Int

    /// `elementCount` elements without padding.
    public var byteCount: Int { elementCount * elementType.byteCount }

    /// Nil when a dimension is negative or the size in bytes does not fit an `Int`.
    public init?(name: String, elementType: ElementType, shape: [Int]) {
        // Multiplied in order: a zero dimension after an overflowing prefix comes too late, as in
        // the reference reader of safetensors.
        var count = 1
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            count = product
        }
        guard !count.multipliedReportingOverflow(by: elementType.byteCount).overflow else {
            return nil
        }
        self.name = name
        self.elementType = elementType
        self.shape = shape
        elementCount = count
    }
}
