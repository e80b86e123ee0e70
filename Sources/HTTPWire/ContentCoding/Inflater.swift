import CZlib

/// Undoes a content coding as a stream (RFC 1950, 1951, 1952), with bounds on what comes out.
///
/// A gzip body may have several members, one after the other (RFC 1952 section 2.2); their headers'
/// and contents' checksums and their lengths are verified. Nothing may follow the last member.
/// Memory: zlib's 40 KiB. Used by one thread at a time; after an error nothing more may be called.
public final class Inflater {
    private enum Place {
        /// Before the first byte.
        case start
        case inside
        /// After the end of a member, or of a deflate body.
        case between
    }

    /// Decoded bytes that no ratio is asked of: a tensor of zeros, a mask, or a repetitive document
    /// may well begin a body, and this much harms nobody.
    public static let freeBytes = 4 * 1024 * 1024
    /// The first byte of a gzip member.
    private static let gzipMark: UInt8 = 0x1F

    private let coding: ContentCoding
    private let limit: Int
    private let ratio: Int
    private let stream: UnsafeMutablePointer<z_stream>
    private var place = Place.start
    /// A gzip member was completed.
    private var hasMember = false
    /// Coded bytes taken so far.
    private var takenBytes = 0
    /// Decoded bytes given so far.
    private var producedBytes = 0

    /// - Parameters:
    ///   - limit: decoded bytes. The coded ones are held to `codedLimit` of it.
    ///   - ratio: decoded bytes for each coded one, beyond `freeBytes`.
    public init(_ coding: ContentCoding, limit: Int, ratio: Int) {
        self.coding = coding
        self.limit = limit
        self.ratio = ratio
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let result = inflateInit2_(
            stream, MAX_WBITS + coding.formatBits, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(result == Z_OK, "zlib cannot be set up: \(result)")
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// What a coded body of so much content may have at most: encoders add less than a thousandth
    /// and a header to what they cannot make smaller.
    public static func codedLimit(_ limit: Int) -> Int {
        limit + limit / 1024 + 1024
    }

    /// Decodes as much of `input` as `output` has room for.
    ///
    /// - Returns: bytes of `input` that were taken and bytes of `output` that were written. When
    ///   `output` is full there may be more, even without further input; otherwise all of `input`
    ///   was taken.
    public func inflate(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(InflateError) -> (taken: Int, produced: Int) {
        var taken = 0
        var produced = 0
        while produced < output.count {
            if place != .inside {
                guard taken < input.count else { break }
                try begin(input[taken])
            }
            let (moreTaken, moreProduced, result) = step(
                UnsafeRawBufferPointer(rebasing: input[taken...]),
                UnsafeMutableRawBufferPointer(rebasing: output[produced...]))
            taken += moreTaken
            produced += moreProduced
            takenBytes += moreTaken
            producedBytes += moreProduced
            try check(result)
            try checkBounds()
            if place == .inside, moreTaken == 0, moreProduced == 0 { break }
        }
        return (taken, produced)
    }

    /// The body is at its end: throws when something is missing.
    public func finish() throws(InflateError) {
        guard place == .between else { throw .truncated(received: takenBytes) }
    }

    /// `byte` follows where nothing, or the next member, may begin.
    private func begin(_ byte: UInt8) throws(InflateError) {
        if place == .between {
            guard coding == .gzip, byte == Self.gzipMark else {
                throw .trailingBytes(offset: takenBytes)
            }
            hasMember = true
            inflateReset(stream)
        }
        place = .inside
    }

    private func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) -> (taken: Int, produced: Int, result: Int32) {
        let inputCount = min(input.count, Int(Int32.max))
        let outputCount = min(output.count, Int(Int32.max))
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
        stream.pointee.avail_in = uInt(inputCount)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = uInt(outputCount)
        let result = CZlib.inflate(stream, Z_NO_FLUSH)
        return (
            inputCount - Int(stream.pointee.avail_in), outputCount - Int(stream.pointee.avail_out),
            result
        )
    }

    private func check(_ result: Int32) throws(InflateError) {
        switch result {
        // Z_BUF_ERROR: all input was used up before.
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: place = .between
        case Z_NEED_DICT: throw .needsDictionary
        case Z_DATA_ERROR:
            // The two bytes by which both codings are known.
            let total = Int(stream.pointee.total_in)
            guard total > 2 else {
                if hasMember { throw .trailingBytes(offset: takenBytes - total) }
                throw .notCoded(coding)
            }
            let reason = stream.pointee.msg.map { String(cString: $0) } ?? "invalid data"
            throw .damaged(reason: reason, offset: takenBytes)
        default: preconditionFailure("zlib failed: \(result)")
        }
    }

    private func checkBounds() throws(InflateError) {
        guard producedBytes <= limit, takenBytes <= Self.codedLimit(limit) else {
            throw .tooLarge(limit: limit)
        }
        guard producedBytes - Self.freeBytes <= takenBytes * ratio else {
            throw .ratioTooHigh(limit: ratio)
        }
    }
}
