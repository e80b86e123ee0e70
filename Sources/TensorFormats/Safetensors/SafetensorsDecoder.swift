import Tensors

/// Reads a safetensors body as it comes, in chunks of any size, without keeping the data.
///
/// First `receiveHeader` until `header` is there, then `receiveData` for the rest, and `finish` at
/// the end of the body. After an error nothing more may be called. Memory: the header (as much of
/// it as has come) and one element.
public struct SafetensorsDecoder {
    private static let lengthByteCount = 8

    private let limits: SafetensorsLimits
    private var bodyByteCount: Int?
    private let previous: SafetensorsHeader?
    /// The 8 bytes of the length and the JSON, as far as they have come.
    private var headerBytes: [UInt8] = []
    /// Bytes of length and JSON, once the length is known.
    private var headerByteCount: Int?
    /// The header, as soon as it is complete and valid.
    public private(set) var header: SafetensorsHeader?
    private var pieces = PieceCutter()

    /// - Parameters:
    ///   - bodyByteCount: The body's size where it is known before (`Content-Length` without a
    ///     content coding); a header that does not fit it is refused before any data.
    ///   - previous: The header of an earlier body: when the new one's bytes are equal, it is taken
    ///     over without parsing.
    public init(
        limits: SafetensorsLimits, bodyByteCount: Int?, reusing previous: SafetensorsHeader?
    ) {
        self.limits = limits
        self.bodyByteCount = bodyByteCount
        self.previous = previous
    }

    /// Says the body's size where it was not known before; to be called before the first byte.
    public mutating func expect(bodyByteCount: Int) {
        self.bodyByteCount = bodyByteCount
    }

    /// Takes bytes of the header and none of the data.
    ///
    /// - Returns: How many bytes were taken: all, or those up to the header's end. 0 when the
    ///   header is complete already.
    public mutating func receiveHeader(
        _ chunk: UnsafeRawBufferPointer
    ) throws(ModelError) -> Int {
        guard header == nil else { return 0 }
        if headerBytes.isEmpty, let previous, begins(chunk, with: previous) {
            header = previous
            return previous.bytes.count
        }
        var taken = 0
        if headerByteCount == nil {
            taken = min(Self.lengthByteCount - headerBytes.count, chunk.count)
            headerBytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<taken]))
            try checkBodyByteCount()
            guard headerBytes.count == Self.lengthByteCount else { return taken }
            let count = try checkedHeaderByteCount()
            headerByteCount = count
            // Room for a usual header at once; a long one grows as it comes, so that a peer who
            // only claims one costs nothing.
            headerBytes.reserveCapacity(min(count, 64 * 1024))
        }
        guard let headerByteCount else { return taken }
        let part = min(headerByteCount - headerBytes.count, chunk.count - taken)
        headerBytes.append(
            contentsOf: UnsafeRawBufferPointer(rebasing: chunk[taken..<taken + part]))
        if headerBytes.count == headerByteCount { try completeHeader() }
        return taken + part
    }

    /// Takes bytes of the data; `header` must be there.
    ///
    /// - Parameter emit: Called for each piece in the order of the body. Pieces lie within `chunk`,
    ///   except that an element split between chunks comes alone. Zero-size tensors have no piece.
    /// - Throws: When more comes than the header says; nothing of `chunk` is emitted then.
    public mutating func receiveData(
        _ chunk: UnsafeRawBufferPointer, _ emit: (TensorPiece) -> Void
    ) throws(ModelError) {
        guard let header else { preconditionFailure("data before the header's end") }
        guard chunk.count <= header.dataByteCount - pieces.received else {
            let declared = header.bytes.count + header.dataByteCount
            throw SafetensorsFault.bytesAfterData(declared: declared).error(at: declared)
        }
        pieces.receive(chunk, header: header, emit)
    }

    /// The body is at its end: throws when something is missing.
    public func finish() throws(ModelError) {
        guard let header else {
            if headerBytes.count < Self.lengthByteCount {
                throw SafetensorsFault.bodyWithoutHeader(bodyByteCount: headerBytes.count)
                    .error(at: headerBytes.count)
            }
            throw SafetensorsFault.bodyEndedEarly(received: headerBytes.count, declared: nil)
                .error(at: headerBytes.count)
        }
        guard pieces.received == header.dataByteCount else {
            let received = header.bytes.count + pieces.received
            throw SafetensorsFault.bodyEndedEarly(
                received: received, declared: header.bytes.count + header.dataByteCount
            ).error(at: received, tensor: pieces.currentName(in: header))
        }
    }

    // MARK: Beneath

    /// Whether the whole header lies in `chunk` and is the one of an earlier body, and the body is
    /// as long as that one's: nothing is left to check then, as long as its size is known.
    private func begins(_ chunk: UnsafeRawBufferPointer, with previous: SafetensorsHeader) -> Bool {
        guard chunk.count >= previous.bytes.count,
            bodyByteCount == previous.bytes.count + previous.dataByteCount
        else { return false }
        return previous.bytes.withUnsafeBytes { known in
            // Eight bytes at a time: a header of 300 tensors is 30 kB, and compared at each upload.
            let words = known.count / 8 * 8
            for offset in stride(from: 0, to: words, by: 8) {
                let left = chunk.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                let right = known.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                if left != right { return false }
            }
            return chunk[words..<known.count].elementsEqual(known[words...])
        }
    }

    private func checkBodyByteCount() throws(ModelError) {
        guard let bodyByteCount else { return }
        guard bodyByteCount <= limits.modelBytes else { throw modelTooLarge(bodyByteCount) }
        guard bodyByteCount >= Self.lengthByteCount else {
            throw SafetensorsFault.bodyWithoutHeader(bodyByteCount: bodyByteCount)
                .error(at: bodyByteCount)
        }
    }

    /// The header's size with its length field, checked before memory is taken for it.
    private func checkedHeaderByteCount() throws(ModelError) -> Int {
        let length = headerBytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        let jsonByteCount = UInt64(littleEndian: length)
        let limit = min(limits.headerBytes, SafetensorsLimits.formatHeaderBytes)
        guard jsonByteCount <= limit else {
            let isForeign = jsonByteCount > SafetensorsLimits.formatHeaderBytes
            throw .tooLarge(
                detail: "the header is \(jsonByteCount) bytes long; \(limit) are allowed"
                    + (isForeign ? ": the body does not seem to be safetensors" : ""),
                limit: limit)
        }
        let count = Self.lengthByteCount + Int(jsonByteCount)
        if let bodyByteCount, count > bodyByteCount {
            throw SafetensorsFault.headerLongerThanBody(
                headerByteCount: count, bodyByteCount: bodyByteCount
            ).error(at: 0)
        }
        return count
    }

    private mutating func completeHeader() throws(ModelError) {
        let complete: SafetensorsHeader
        if let previous, previous.bytes == headerBytes {
            complete = previous
        } else {
            complete = try SafetensorsHeader(parsing: headerBytes, limits: limits)
        }
        let (total, overflow) = complete.bytes.count.addingReportingOverflow(
            complete.dataByteCount)
        guard !overflow, total <= limits.modelBytes else {
            throw modelTooLarge(overflow ? Int.max : total)
        }
        if let bodyByteCount, bodyByteCount != total {
            throw SafetensorsFault.bodyLengthDiffers(
                declared: total, bodyByteCount: bodyByteCount
            ).error(at: min(total, bodyByteCount))
        }
        headerBytes = []
        header = complete
    }

    private func modelTooLarge(_ byteCount: Int) -> ModelError {
        .tooLarge(
            detail: "the model is \(byteCount) bytes long; \(limits.modelBytes) are allowed",
            limit: limits.modelBytes)
    }
}
