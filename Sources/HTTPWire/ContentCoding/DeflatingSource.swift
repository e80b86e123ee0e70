/// Codes a response's body as it is sent. Used on the connection's lane only.
///
/// After each piece the lane's other connections have their turn. Slices of mapped files are read
/// where they are mapped; their pins are let go of as soon as their last byte is coded.
public final class DeflatingSource: BodySource {
    /// Plain bytes coded in one turn: half a millisecond of weights.
    private static let turnBytes = 32 * 1024

    private let source: any BodySource
    private let coding: ContentCoding
    private let exchange: any Exchange
    /// Not made before the first byte, so that an answer to HEAD costs nothing.
    private lazy var deflater = Deflater(coding)
    /// What the source gave: first these bytes, then the slice.
    private var bytes: [UInt8] = []
    private var slice: FileSlice?
    /// Of the bytes, and of the slice, how many are coded.
    private var codedBytes = 0
    private var codedOfSlice = 0
    private var hasEnded = false

    /// - Parameters:
    ///   - source: gives the plain body; its slices are of mapped files.
    ///   - exchange: the response's, to resume it after a turn.
    public init(_ source: any BodySource, coding: ContentCoding, exchange: any Exchange) {
        self.source = source
        self.coding = coding
        self.exchange = exchange
    }

    public func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        if codedBytes == bytes.count, slice == nil {
            bytes.removeAll(keepingCapacity: true)
            codedBytes = 0
            switch source.produce(upTo: Self.turnBytes, into: &bytes) {
            case .bytes: break
            case .slice(let next): slice = next.count > 0 ? next : nil
            case .wait: if bytes.isEmpty { return .wait }
            case .end: hasEnded = true
            case .fail: return .fail
            }
        }
        codePiece(into: &buffer)
        if hasEnded, codedBytes == bytes.count {
            let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
            deflater.deflate(nothing, isLast: true, into: &buffer)
            return .end
        }
        exchange.resumeResponse()
        return .wait
    }

    /// Codes what one turn allows of what is there.
    private func codePiece(into buffer: inout [UInt8]) {
        if codedBytes < bytes.count {
            let end = min(bytes.count, codedBytes + Self.turnBytes)
            bytes.withUnsafeBytes {
                let piece = UnsafeRawBufferPointer(rebasing: $0[codedBytes..<end])
                deflater.deflate(piece, isLast: false, into: &buffer)
            }
            codedBytes = end
        } else if let slice {
            guard let mapping = slice.mapping else {
                preconditionFailure("a slice that is to be coded must be mapped")
            }
            let count = min(slice.count - codedOfSlice, Self.turnBytes)
            let piece = UnsafeRawBufferPointer(
                start: mapping.pointer + slice.offset + codedOfSlice, count: count)
            deflater.deflate(piece, isLast: false, into: &buffer)
            codedOfSlice += count
            if codedOfSlice == slice.count {
                self.slice = nil
                codedOfSlice = 0
            }
        }
    }
}

/// Bytes that are there as a body's source.
final class BytesSource: BodySource {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        buffer += bytes
        return .end
    }
}
