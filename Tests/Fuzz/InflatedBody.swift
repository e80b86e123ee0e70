import CZlib
import HTTPWire

/// A coded body is decoded, however it is cut and however little its sink takes at once, to what
/// zlib makes of the whole of it in one call; else it is refused, and its sink aborted.
final class InflatedBody: Exchange, @unchecked Sendable {
    /// What zlib made of a whole body.
    private enum Whole {
        case refused
        case decoded([UInt8])
        case longerThan(Int)
    }

    /// Takes a random part of what it is offered. Touched by the one thread there is.
    private final class Sink: BodySink {
        var numbers: FuzzInput
        var bytes: [UInt8] = []
        var finishes = 0
        var aborts = 0
        /// Called when less was taken than was offered.
        var onPause: () -> Void = {}

        init(_ numbers: FuzzInput) { self.numbers = numbers }

        func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
            expect(!chunk.isEmpty && finishes + aborts == 0, "a push out of place")
            let taken =
                numbers.next() % 4 == 0
                ? Int.random(in: 0...chunk.count, using: &numbers) : chunk.count
            bytes += chunk.prefix(taken)
            if taken < chunk.count { onPause() }
            return taken
        }

        func finish() { finishes += 1 }
        func abort(_ reason: BodyAbort) { aborts += 1 }
    }

    private var isResumed = false

    static func check(_ input: FuzzInput) {
        var input = input
        let coding: ContentCoding = input.bytes.first == 0x1F ? .gzip : .deflate
        let limit = [100, 5_000, 300_000].randomElement(using: &input) ?? 0
        let expected = decodeAtOnce(input.bytes, coding, limit: limit)
        let decoded = InflatedBody().decode(input, coding, limit: limit)
        switch expected {
        case .refused, .longerThan:
            expect(decoded == nil, "\(decoded?.count ?? 0) bytes of a body that is to be refused")
        case .decoded(let bytes):
            guard input.bytes.count <= Inflater.codedLimit(limit) else { return }
            expect(decoded == bytes, "\(decoded?.count ?? -1) bytes instead of \(bytes.count)")
        }
    }

    /// - Returns: nil when the body was refused.
    private func decode(_ input: FuzzInput, _ coding: ContentCoding, limit: Int) -> [UInt8]? {
        var input = input
        let sink = Sink(input)
        sink.onPause = { [unowned self] in isResumed = true }
        var errors: [InflateError] = []
        let inflater = Inflater(coding, limit: limit, ratio: 100)
        let inflating = InflatingSink(sink, inflater: inflater, exchange: self) {
            expect(sink.aborts == 1, "refused before the sink was aborted")
            errors.append($0)
        }
        var kept: [UInt8] = []
        for piece in input.pieces() {
            kept += piece
            while !kept.isEmpty {
                isResumed = false
                let taken = Array(kept).withUnsafeBytes { inflating.receive($0) }
                expect(taken >= 0 && taken <= kept.count, "\(taken) of \(kept.count) taken")
                expect(taken == kept.count || isResumed, "paused for ever")
                kept.removeFirst(taken)
            }
        }
        if errors.isEmpty { inflating.finish() }
        expect(errors.count + sink.finishes == 1, "\(errors.count) errors, \(sink.finishes) ends")
        expect(sink.aborts == errors.count, "\(sink.aborts) aborts")
        expect(sink.bytes.count <= limit + 64 * 1024, "\(sink.bytes.count) bytes came out")
        return errors.isEmpty ? sink.bytes : nil
    }

    private static func decodeAtOnce(
        _ bytes: [UInt8], _ coding: ContentCoding, limit: Int
    ) -> Whole {
        var decoded: [UInt8] = []
        var rest = bytes[...]
        repeat {
            guard let member = Zlib.decode(Array(rest), coding, room: limit + 1) else {
                return .refused
            }
            decoded += member.decoded
            rest = rest.dropFirst(member.length)
            if decoded.count > limit { return .longerThan(limit) }
        } while !rest.isEmpty && coding == .gzip
        return rest.isEmpty ? .decoded(decoded) : .refused
    }

    func respond(_ response: Response) {}
    func resumeBody() { isResumed = true }
    func resumeResponse() {}
    func failResponse() {}
    func onCancel(_ work: @escaping @Sendable () -> Void) {}
    func onLane(_ work: @escaping @Sendable () -> Void) {}
}

/// zlib by single calls.
enum Zlib {
    /// The first member, or all that fills `room`; nil when it is damaged or incomplete.
    static func decode(
        _ bytes: [UInt8], _ coding: ContentCoding, room: Int
    ) -> (decoded: [UInt8], length: Int)? {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        inflateInit2_(&stream, coding == .gzip ? 31 : 15, ZLIB_VERSION, size)
        defer { inflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: room)
        return input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = uInt(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = uInt(room)
                let result = inflate(&stream, Z_FINISH)
                guard result == Z_STREAM_END || stream.avail_out == 0 else { return nil }
                let decoded = output.prefix(room - Int(stream.avail_out))
                return (Array(decoded), input.count - Int(stream.avail_in))
            }
        }
    }

    static func encode(_ bytes: [UInt8], _ coding: ContentCoding, level: Int32) -> [UInt8] {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        deflateInit2_(
            &stream, level, Z_DEFLATED, coding == .gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY,
            ZLIB_VERSION, size)
        defer { deflateEnd(&stream) }
        var input = bytes
        let bound = Int(deflateBound(&stream, uLong(bytes.count)))
        return input.withUnsafeMutableBufferPointer { input in
            [UInt8](unsafeUninitializedCapacity: bound) { output, count in
                stream.next_in = input.baseAddress
                stream.avail_in = uInt(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = uInt(bound)
                expect(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib cannot encode")
                count = bound - Int(stream.avail_out)
            }
        }
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    InflatedBody.check(FuzzInput(start, count))
    return 0
}

@_silgen_name("LLVMFuzzerMutate")
private func mutate(_ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ room: Int) -> Int

/// Called by libFuzzer to change an input. Changes mostly what is coded, because a change of the
/// coded bytes hardly ever survives the checksum.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutateCoded(
    _ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ room: Int, _ seed: CUnsignedInt
) -> Int {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let coding: ContentCoding = seed % 2 == 0 ? .gzip : .deflate
    guard seed / 2 % 4 != 0,
        let member = Zlib.decode(bytes, bytes.first == 0x1F ? .gzip : .deflate, room: 10_000)
    else { return mutate(start, count, room) }
    var plain = member.decoded + [UInt8](repeating: 0, count: 1_000)
    let plainCount = mutate(&plain, member.decoded.count, plain.count)
    var coded = Zlib.encode(Array(plain[..<plainCount]), coding, level: Int32(seed / 8 % 10))
    // Now and then behind what was there, as a further member.
    if seed / 80 % 4 == 0 { coded = bytes[..<member.length] + coded }
    guard coded.count <= room else { return mutate(start, count, room) }
    start.update(from: coded, count: coded.count)
    return coded.count
}
