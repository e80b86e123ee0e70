import CZlib

/// Applies a content coding as a stream. Used by one thread at a time.
///
/// Level 1: higher ones take longer and save nothing on weights, whose bytes hardly repeat, and
/// little on JSON. The 4 KiB window is for speed and memory: 144 KiB instead of 256, and weights
/// are coded half as fast again.
final class Deflater {
    private static let windowBits: Int32 = 12
    private static let memoryLevel: Int32 = 8
    private static let outputBytes = 32 * 1024

    private let stream: UnsafeMutablePointer<z_stream>

    init(_ coding: ContentCoding) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let result = deflateInit2_(
            stream, Z_BEST_SPEED, Z_DEFLATED, Self.windowBits + coding.formatBits,
            Self.memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(result == Z_OK, "zlib cannot be set up: \(result)")
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Appends to `buffer` what `input` becomes, as far as zlib gives it out now; all of it when
    /// `isLast`.
    func deflate(
        _ input: UnsafeRawBufferPointer, isLast: Bool, into buffer: inout [UInt8]
    ) {
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
        stream.pointee.avail_in = uInt(input.count)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.outputBytes) { output in
            var result = Z_OK
            repeat {
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = uInt(output.count)
                result = CZlib.deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                let left = Int(stream.pointee.avail_out)
                buffer.append(contentsOf: output[..<(output.count - left)])
            } while stream.pointee.avail_out == 0
            precondition(
                isLast ? result == Z_STREAM_END : result == Z_OK || result == Z_BUF_ERROR,
                "zlib failed: \(result)")
        }
    }

    /// All of `bytes` at once.
    static func coded(_ bytes: [UInt8], _ coding: ContentCoding) -> [UInt8] {
        var coded: [UInt8] = []
        bytes.withUnsafeBytes { Deflater(coding).deflate($0, isLast: true, into: &coded) }
        return coded
    }
}
