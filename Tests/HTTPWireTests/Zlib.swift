import CZlib
import Testing

/// zlib itself, as another program would use it.
enum Zlib {
    /// Window sizes with the format in them.
    static let gzip: Int32 = 31
    static let zlib: Int32 = 15
    static let raw: Int32 = -15

    /// All of `bytes` in the format that `bits` says.
    ///
    /// - Parameters:
    ///   - headerChecksum: the gzip header gets a CRC of its own, and a name.
    ///   - dictionary: a preset dictionary.
    static func coded(
        _ bytes: [UInt8], _ bits: Int32 = gzip, level: Int32 = 6, headerChecksum: Bool = false,
        dictionary: [UInt8] = []
    ) -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        defer { stream.deallocate() }
        stream.initialize(to: z_stream())
        #expect(
            deflateInit2_(
                stream, level, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { deflateEnd(stream) }
        var name = Array("weights".utf8) + [0]
        var input = bytes
        var dictionary = dictionary
        let size = Int(deflateBound(stream, uLong(bytes.count))) + 64
        return name.withUnsafeMutableBufferPointer { name in
            var header = gz_header()
            header.hcrc = 1
            header.name = name.baseAddress
            return withUnsafeMutablePointer(to: &header) { header in
                if headerChecksum { deflateSetHeader(stream, header) }
                if !dictionary.isEmpty {
                    deflateSetDictionary(stream, &dictionary, uInt(dictionary.count))
                }
                return input.withUnsafeMutableBufferPointer { input in
                    [UInt8](unsafeUninitializedCapacity: size) { output, count in
                        stream.pointee.next_in = input.baseAddress
                        stream.pointee.avail_in = uInt(input.count)
                        stream.pointee.next_out = output.baseAddress
                        stream.pointee.avail_out = uInt(size)
                        #expect(deflate(stream, Z_FINISH) == Z_STREAM_END)
                        count = size - Int(stream.pointee.avail_out)
                    }
                }
            }
        }
    }

    /// One whole body decoded; nil when it is not right, or is not used up.
    static func decoded(_ bytes: [UInt8], _ bits: Int32 = gzip, upTo size: Int) -> [UInt8]? {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        defer { stream.deallocate() }
        stream.initialize(to: z_stream())
        #expect(
            inflateInit2_(stream, bits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { inflateEnd(stream) }
        var input = bytes
        var result = Z_OK
        let output = input.withUnsafeMutableBufferPointer { input in
            [UInt8](unsafeUninitializedCapacity: size + 1) { output, count in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = uInt(input.count)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = uInt(size + 1)
                result = inflate(stream, Z_FINISH)
                count = size + 1 - Int(stream.pointee.avail_out)
            }
        }
        return result == Z_STREAM_END && stream.pointee.avail_in == 0 ? output : nil
    }

    /// Bytes that cannot be made smaller.
    static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}
