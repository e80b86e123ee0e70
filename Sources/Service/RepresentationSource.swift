import Averaging
import HTTPWire
import Sessions
import Tensors

/// Produces a byte range of a representation piece by piece, converting as it goes: never more than
/// a buffer's worth is built. Used on the connection's lane only.
final class RepresentationSource: BodySource {
    private let representation: ModelRepresentation
    private let kernels = FoldKernels.best
    /// What is still to come, as positions in the representation.
    private var rest: Range<Int>
    private var segment = 0
    /// Position in the representation of the current segment's first byte.
    private var segmentStart = 0

    init(_ representation: ModelRepresentation, _ range: Range<Int>) {
        self.representation = representation
        rest = range
    }

    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        while !rest.isEmpty {
            let current = representation.segments[segment]
            let segmentEnd = segmentStart + current.byteCount
            if rest.lowerBound >= segmentEnd {
                segmentStart = segmentEnd
                segment += 1
                continue
            }
            let start = rest.lowerBound - segmentStart
            let end = min(rest.upperBound, segmentEnd) - segmentStart
            return produce(current, start..<end, upTo: count, into: &buffer)
        }
        return .end
    }

    /// `range` counts from the segment's first byte and is not empty.
    private func produce(
        _ segment: ModelRepresentation.Segment, _ range: Range<Int>, upTo count: Int,
        into buffer: inout [UInt8]
    ) -> BodyPart {
        switch segment {
        case .bytes(let bytes):
            buffer.append(contentsOf: bytes[range])
            advance(range.count)
            return .bytes
        case .file(let offset, _):
            advance(range.count)
            return .slice(
                representation.model.slice(offset: offset + range.lowerBound, count: range.count))
        case .converted(let entry, let type):
            advance(convert(entry, to: type, range, upTo: count, into: &buffer))
            return .bytes
        }
    }

    private func advance(_ count: Int) {
        rest = rest.lowerBound + count..<rest.upperBound
    }

    /// Converts whole elements that cover the beginning of `range` and appends what lies in it.
    private func convert(
        _ entry: ModelLayout.Entry, to type: ElementType, _ range: Range<Int>, upTo count: Int,
        into buffer: inout [UInt8]
    ) -> Int {
        let size = type.byteCount
        let firstElement = range.lowerBound / size
        let skipped = range.lowerBound - firstElement * size
        let taken = min(range.count, max(count, size))
        let elements = (skipped + taken + size - 1) / size
        let source = representation.model.bytes(of: entry)
        guard let base = source.baseAddress else { return range.count }
        let converted = [UInt8](unsafeUninitializedCapacity: elements * size) { bytes, filled in
            guard let destination = bytes.baseAddress else { return }
            kernels.convert(
                source: base + firstElement * entry.stored.elementType.byteCount,
                sourceType: entry.stored.elementType, destination: destination,
                destinationType: type, count: elements)
            filled = elements * size
        }
        buffer.append(contentsOf: converted[skipped..<skipped + taken])
        return taken
    }
}
