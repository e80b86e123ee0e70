import Averaging
import HTTPWire
import Sessions
import Tensors

/// One form of a published model, or of one of its tensors: which bytes, of which type, under which
/// entity tag. A value; the model's pin keeps its bytes as they are.
struct ModelRepresentation {
    /// A run of the representation's bytes.
    enum Segment {
        case bytes([UInt8])
        /// A range of the model's file.
        case file(offset: Int, count: Int)
        /// A tensor's elements in another type than the stored one.
        case converted(ModelLayout.Entry, ElementType)

        var byteCount: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .file(_, let count): count
            case .converted(let entry, let type): entry.model.elementCount * type.byteCount
            }
        }
    }

    private(set) var model: PublishedModel
    let contentType: String
    private(set) var etag: EntityTag
    /// How it is sent; nil: as it is.
    private(set) var coding: ContentCoding?
    let segments: [Segment]
    let byteCount: Int

    private init(
        model: PublishedModel, contentType: String, format: String, type: OutputType,
        segments: [Segment]
    ) {
        self.model = model
        self.contentType = contentType
        // Made in one place: an interpolation would move it as it grows.
        var tag = model.incarnation
        tag.reserveCapacity(64)
        tag += "-"
        tag += String(model.revision)
        tag += "-"
        tag += format
        tag += "-"
        tag += type.name
        etag = EntityTag(tag)
        self.segments = segments
        byteCount = segments.reduce(0) { $0 + $1.byteCount }
    }

    /// The whole model as a safetensors file.
    static func safetensors(_ model: PublishedModel, as type: OutputType) -> ModelRepresentation {
        let entries = model.layout.entries
        var segments: [Segment]
        if type == .stored
            || entries.allSatisfy({ type.elementType(for: $0) == $0.stored.elementType })
        {
            segments = [.file(offset: 0, count: model.byteCount)]
        } else {
            let tensors = entries.map { $0.model.withElementType(type.elementType(for: $0)) }
            segments = [.bytes(model.header(for: tensors))]
            segments += entries.map { segment(of: $0, in: model, as: type) }
        }
        return ModelRepresentation(
            model: model, contentType: "application/vnd.safetensors", format: "safetensors",
            type: type, segments: segments)
    }

    /// One tensor, as NPY with a header or raw.
    static func tensor(
        _ entry: ModelLayout.Entry, of model: PublishedModel, as type: OutputType, header: [UInt8]?
    ) -> ModelRepresentation {
        let data = segment(of: entry, in: model, as: type)
        return ModelRepresentation(
            model: model,
            contentType: header == nil ? "application/octet-stream" : "application/x-npy",
            format: header == nil ? "raw" : "npy", type: type,
            segments: header.map { [.bytes($0), data] } ?? [data])
    }

    private static func segment(
        of entry: ModelLayout.Entry, in model: PublishedModel, as type: OutputType
    ) -> Segment {
        let wanted = type.elementType(for: entry)
        guard wanted == entry.stored.elementType else { return .converted(entry, wanted) }
        return .file(
            offset: model.headerByteCount + entry.byteOffset, count: entry.stored.byteCount)
    }

    /// The same under a content coding, which is another representation with another tag (RFC 9110
    /// section 8.8.3.3).
    func coded(_ coding: ContentCoding?) -> ModelRepresentation {
        guard let coding else { return self }
        var coded = self
        coded.coding = coding
        coded.etag = EntityTag("\(etag.opaque)-\(coding.rawValue)")
        return coded
    }

    /// All of it, coded as it is sent.
    func codedBody(_ coding: ContentCoding, of exchange: any Exchange) -> ResponseBody {
        let source = RepresentationSource(read(0..<byteCount, of: exchange), 0..<byteCount)
        return .stream(
            length: nil, DeflatingSource(source, coding: coding, exchange: exchange))
    }

    /// The bytes in `range` as the body of the response that `exchange` gives now: one slice where
    /// they lie in the file as they are.
    func body(_ range: Range<Int>, of exchange: any Exchange) -> ResponseBody {
        if range.isEmpty { return .empty }
        let sent = read(range, of: exchange)
        if segments.count == 1, case .file(let offset, _) = segments[0] {
            return .slice(sent.model.slice(offset: offset + range.lowerBound, count: range.count))
        }
        return .stream(length: range.count, RepresentationSource(sent, range))
    }

    /// The same with a pin of the response's own, which an upload that waits for it can drop.
    private func read(_ range: Range<Int>, of exchange: any Exchange) -> ModelRepresentation {
        var read = self
        read.model = model.read(byteCount: range.count) { exchange.failResponse() }
        return read
    }
}

/// The element type that averaged tensors are read as; `latest` tensors keep theirs.
enum OutputType: Equatable {
    /// The accumulator's type.
    case stored
    /// As uploaded first.
    case model
    case float(ElementType)

    /// Nil for a name that is not allowed.
    init?(name: String) {
        switch name {
        case "stored": self = .stored
        case "model": self = .model
        default:
            guard let type = ElementType(rawValue: name), type.isFloat else { return nil }
            self = .float(type)
        }
    }

    static let allowed = "stored, model, F16, BF16, F32, F64"

    var name: String {
        switch self {
        case .stored: "stored"
        case .model: "model"
        case .float(let type): type.rawValue
        }
    }

    func elementType(for entry: ModelLayout.Entry) -> ElementType {
        switch self {
        case .stored: entry.stored.elementType
        case .model: entry.model.elementType
        case .float(let type): entry.isAveraged ? type : entry.stored.elementType
        }
    }
}

/// Keeps a published revision's bytes while a response sends them.
private final class ModelPin: SlicePin {
    private let pin: SlotPin

    init(_ pin: SlotPin) {
        self.pin = pin
    }

    func sent() { pin.sent() }

    func abandoned() { pin.abandoned() }
}

extension PublishedModel {
    /// Slices up to this size fit in a socket's buffers: copied, they let go of the slot at once,
    /// and copying them costs no more than referring to their pages.
    private static let copiedBytes = 256 * 1024

    /// A range of the stored file.
    func slice(offset: Int, count: Int) -> FileSlice {
        FileSlice(
            fileDescriptor: fileDescriptor, mapping: UnsafeRawPointerBox(base), offset: offset,
            count: count, pin: ModelPin(pin.again()),
            transfer: count <= PublishedModel.copiedBytes ? .copy : .sendfile)
    }
}
