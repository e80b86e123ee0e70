import TensorFormats
import Tensors

/// Where each tensor of an upload goes in the slots; made once per distinct header.
final class UploadPlan: Sendable {
    struct Target: Sendable {
        /// Index in the layout.
        let entry: Int
        /// Position of the tensor's first byte in the data section of a slot.
        let byteOffset: Int
        let uploadedType: ElementType
        let storedType: ElementType
        let isAveraged: Bool
    }

    let header: SafetensorsHeader
    let layout: ModelLayout
    /// One per tensor of the header, in its order.
    let targets: [Target]

    /// - Throws: `layoutMismatch` naming the first tensor that does not fit.
    init(header: SafetensorsHeader, layout: ModelLayout) throws(SessionError) {
        var targets: [Target] = []
        targets.reserveCapacity(header.tensors.count)
        for tensor in header.tensors {
            let spec = tensor.spec
            guard let index = layout.index(of: spec.name) else {
                throw .layoutMismatch(
                    tensor: spec.name, expected: "no tensor of this name",
                    received: UploadPlan.describe(spec))
            }
            let entry = layout.entries[index]
            guard UploadPlan.fits(spec, entry) else {
                throw .layoutMismatch(
                    tensor: spec.name, expected: UploadPlan.describe(entry.model),
                    received: UploadPlan.describe(spec))
            }
            targets.append(
                Target(
                    entry: index, byteOffset: entry.byteOffset, uploadedType: spec.elementType,
                    storedType: entry.stored.elementType, isAveraged: entry.isAveraged))
        }
        if targets.count < layout.entries.count {
            let present = Set(targets.map(\.entry))
            for (index, entry) in layout.entries.enumerated() where !present.contains(index) {
                throw .layoutMismatch(
                    tensor: entry.model.name, expected: UploadPlan.describe(entry.model),
                    received: "nothing")
            }
        }
        self.header = header
        self.layout = layout
        self.targets = targets
    }

    /// Where in a slot's data section the bytes `body` of the upload's data section go, each range
    /// rounded outwards to whole elements.
    func slotRanges(ofBody body: Range<Int>) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for (tensor, target) in zip(header.tensors, targets) {
            let size = target.uploadedType.byteCount
            let start = max(body.lowerBound, tensor.byteOffset) - tensor.byteOffset
            let end =
                min(body.upperBound, tensor.byteOffset + tensor.spec.byteCount) - tensor.byteOffset
            guard start < end else { continue }
            let first = start / size
            let last = (end + size - 1) / size
            ranges.append(
                target.byteOffset + first * target.storedType.byteCount..<target.byteOffset
                    + last * target.storedType.byteCount)
        }
        return ranges
    }

    /// Float types may vary between uploads; everything else must be as it was.
    private static func fits(_ spec: TensorSpec, _ entry: ModelLayout.Entry) -> Bool {
        guard spec.shape == entry.model.shape else { return false }
        if entry.isAveraged { return spec.elementType.isFloat }
        return spec.elementType == entry.model.elementType
    }

    private static func describe(_ spec: TensorSpec) -> String {
        "\(spec.elementType.rawValue) [\(spec.shape.map(String.init).joined(separator: ", "))]"
    }
}
