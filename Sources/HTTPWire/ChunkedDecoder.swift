import ServiceLimits

/// Reads the framing of a chunked body (RFC 9112 section 7.1), however it is cut.
///
/// `advance` goes over framing; while `dataRemaining` is above zero the next bytes are data, which
/// the caller takes where they lie and reports with `took`. Extensions and trailers are checked,
/// bounded and ignored.
struct ChunkedDecoder {
    private enum State {
        case size, extensions, sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
        case complete
    }

    private var state = State.size
    private var size = 0
    private var digits = 0
    private var extensionBytes = 0
    private var trailerBytes = 0

    /// Bytes of data that come next.
    var dataRemaining: Int { state == .data ? size : 0 }
    var isComplete: Bool { state == .complete }

    /// Goes over framing up to data, the body's end, or the end of `bytes`.
    ///
    /// - Returns: how many bytes were framing.
    mutating func advance(
        _ bytes: UnsafeRawBufferPointer, limits: Limits
    ) throws(WireError) -> Int {
        var index = 0
        while index < bytes.count, state != .data, state != .complete {
            try take(bytes[index], limits)
            index += 1
        }
        return index
    }

    /// `count` bytes of data were taken.
    mutating func took(_ count: Int) {
        size -= count
        if size == 0 { state = .dataReturn }
    }

    private mutating func take(_ byte: UInt8, _ limits: Limits) throws(WireError) {
        switch state {
        case .size: try takeSize(byte, limits)
        case .extensions: try takeExtension(byte, limits)
        case .sizeLineFeed:
            try expect(byte, Byte.lineFeed)
            state = size == 0 ? .trailerStart : .data
        case .dataReturn:
            try expect(byte, Byte.carriageReturn)
            state = .dataLineFeed
        case .dataLineFeed:
            try expect(byte, Byte.lineFeed)
            (state, digits, extensionBytes) = (.size, 0, 0)
        case .trailerStart, .trailerName, .trailerValue: try takeTrailer(byte, limits)
        case .trailerLineFeed:
            try expect(byte, Byte.lineFeed)
            state = .trailerStart
        case .lastLineFeed:
            try expect(byte, Byte.lineFeed)
            state = .complete
        case .data, .complete:
            preconditionFailure("data is not framing")
        }
    }

    private func expect(_ byte: UInt8, _ wanted: UInt8) throws(WireError) {
        guard byte == wanted else { throw .malformedChunk }
    }

    private mutating func takeSize(_ byte: UInt8, _ limits: Limits) throws(WireError) {
        if let digit = Byte.hexadecimalValue(byte) {
            // Fifteen digits fit an Int whatever they are; leading zeros count.
            guard digits < 15 else { throw .malformedChunk }
            size = (digits == 0 ? 0 : size) << 4 | Int(digit)
            digits += 1
            return
        }
        guard digits > 0 else { throw .malformedChunk }
        if byte == Byte.carriageReturn {
            state = .sizeLineFeed
        } else {
            // RFC 9112 section 7.1.1 lets white space stand here. Nobody sends it, other parsers
            // refuse it, and whoever reads the size otherwise is open to smuggling.
            try expect(byte, Byte.semicolon)
            state = .extensions
            try takeExtension(byte, limits)
        }
    }

    private mutating func takeExtension(_ byte: UInt8, _ limits: Limits) throws(WireError) {
        if byte == Byte.carriageReturn {
            state = .sizeLineFeed
            return
        }
        guard Byte.isFieldContent(byte) else { throw .malformedChunk }
        extensionBytes += 1
        guard extensionBytes <= limits.chunkExtensionBytes else { throw .chunkExtensionTooLong }
    }

    private mutating func takeTrailer(_ byte: UInt8, _ limits: Limits) throws(WireError) {
        switch (state, byte) {
        case (.trailerStart, Byte.carriageReturn):
            state = .lastLineFeed
            return
        case (.trailerValue, Byte.carriageReturn):
            state = .trailerLineFeed
            return
        case (.trailerName, Byte.colon):
            state = .trailerValue
        case (.trailerValue, _):
            guard Byte.isFieldContent(byte) else { throw .malformedChunk }
        default:
            guard Byte.isToken(byte) else { throw .malformedChunk }
            state = .trailerName
        }
        trailerBytes += 1
        guard trailerBytes <= limits.trailerBytes else { throw .trailersTooLarge }
    }
}
