import CNGHTTP2
import HTTPWire
import ServiceLimits

/// Whatever frames come, the answers are frames in order, their field sections decode, what is
/// written is bounded, every sink hears of its end once, and time alone ends the connection.
///
/// An input's first byte says how it comes; the rest are the client's bytes, with its preface.
enum HTTP2Connection {
    private static let limits = {
        var limits = Limits()
        limits.headerBytes = 600
        limits.drain = 100
        limits.trailerBytes = 64
        limits.streams = 8
        limits.initialWindow = 256
        limits.streamWindow = 4096
        limits.frameBytes = 16_384
        limits.frameCredit = 400
        limits.frameCreditRate = 20
        return limits
    }()

    static func check(_ input: FuzzInput) {
        guard let control = input.bytes.first else { return }
        var input = FuzzInput(Array(input.bytes.dropFirst()))
        let whole = run([input.bytes], control, &input)
        let cut = run(input.pieces(), control, &input)
        guard let whole, let cut else { return }
        expect(whole == cut, "whole: \(whole), cut: \(cut)")
    }

    /// - Returns: what became of the requests; nil when that rightly depends on how they came.
    private static func run(
        _ pieces: [[UInt8]], _ control: UInt8, _ input: inout FuzzInput
    ) -> String? {
        let connection = FuzzConnection(limits: limits)
        for piece in pieces {
            connection.canWrite = control & 1 == 0 || input.next() % 2 == 0
            connection.send(piece)
            if control & 2 != 0, input.next() % 4 == 0 { _ = connection.passTime() }
            if control & 4 != 0, input.next() % 8 == 0 { connection.shutDown() }
            if control & 16 != 0, input.next() % 8 == 0 { connection.endGrace() }
        }
        connection.canWrite = true
        connection.send([])
        let handler = connection.handler
        let outcome = "\(handler.heads) \(handler.uploads.map(\.text))"
        var hasFailed = connection.hasEnded
        if let start = connection.handOver {
            var answers = HTTP2Answers()
            answers.read(Array(connection.written[start...]))
            hasFailed = hasFailed || answers.hasFailed
        }
        if control & 16 != 0 { connection.endGrace() }
        if control & 8 != 0 { connection.sendEnd() }
        var steps = 0
        while connection.passTime() {
            steps += 1
            expect(steps < 2000, "the connection does not end")
        }
        expect(connection.hasEnded, "nothing will end this connection")
        if let start = connection.handOver {
            var answers = HTTP2Answers()
            answers.read(Array(connection.written[start...]))
        }
        let most = 45_000 * handler.heads.count + 40 * input.bytes.count + 2000
        expect(connection.written.count <= most, "\(connection.written.count) bytes out")
        let received = handler.uploads.reduce(0) { $0 + $1.sink.bytes.count }
        expect(received <= input.bytes.count, "\(received) bytes of bodies")
        connection.disconnect()
        let isCutDependent = handler.isCutDependent || handler.hasPaused
        return hasFailed || control & 23 != 0 || isCutDependent ? nil : outcome
    }
}

/// Reads a server's frames as a client does that believes nothing.
struct HTTP2Answers {
    /// A GOAWAY or a reset for the client's fault was among them.
    private(set) var hasFailed = false
    private var inflater = Inflater()
    private var answered: Set<UInt32> = []
    private var ended: Set<UInt32> = []
    private var reset: Set<UInt32> = []

    mutating func read(_ bytes: [UInt8]) {
        var rest = bytes[...]
        if rest.starts(with: "HTTP/1.1 101 ".utf8) {
            let end = Array("\r\n\r\n".utf8)
            while !rest.isEmpty, !rest.starts(with: end) { rest.removeFirst() }
            rest = rest.dropFirst(4)
        }
        var isFirst = true
        while !rest.isEmpty {
            expect(rest.count >= 9, "a frame's header is cut")
            let header = Array(rest.prefix(9))
            let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            expect(rest.count >= 9 + length, "a frame is cut")
            let id = header[5...].reduce(0) { $0 << 8 | UInt32($1) }
            let payload = Array(rest.dropFirst(9).prefix(length))
            expect(isFirst == (header[3] == 4 && header[4] == 0) || !isFirst, "no SETTINGS first")
            readFrame(type: header[3], flags: header[4], id: id, payload)
            rest = rest.dropFirst(9 + length)
            isFirst = false
        }
    }

    private mutating func readFrame(type: UInt8, flags: UInt8, id: UInt32, _ payload: [UInt8]) {
        switch type {
        case 0, 1:
            expect(id % 2 == 1, "an answer on stream \(id)")
            expect(!ended.contains(id), "more after the end of stream \(id)")
            expect(!reset.contains(id), "more after the reset of stream \(id)")
            if type == 1 {
                expect(flags & 4 != 0, "a head in several frames")
                let status = inflater.status(payload)
                expect(!answered.contains(id), "two answers on stream \(id)")
                if status >= 200 { answered.insert(id) }
                if status >= 400 { hasFailed = true }
            } else {
                expect(answered.contains(id), "a body without a head")
            }
            if flags & 1 != 0 { ended.insert(id) }
        case 3:
            expect(!reset.contains(id) && payload.count == 4, "reset again")
            reset.insert(id)
            hasFailed = true
        case 4: expect(id == 0 && payload.count % 6 == 0, "malformed SETTINGS")
        case 6: expect(id == 0 && payload.count == 8 && flags == 1, "a PING of ours")
        case 7: hasFailed = true
        case 8: expect(payload.count == 4 && payload.contains { $0 != 0 }, "a window of 0")
        default: expect(false, "a frame of type \(type)")
        }
    }

    /// Owns the pointer; used by the one thread there is.
    private final class Inflater {
        private var pointer: OpaquePointer?

        init() { expect(nghttp2_hd_inflate_new(&pointer) == 0, "no memory") }
        deinit { nghttp2_hd_inflate_del(pointer) }

        /// The status that a header block begins with.
        func status(_ block: [UInt8]) -> Int {
            var status = 0
            var fields = 0
            var offset = 0
            while true {
                var field = nghttp2_nv()
                var flags: CInt = 0
                let taken = block[offset...].withUnsafeBufferPointer {
                    nghttp2_hd_inflate_hd2(pointer, &field, &flags, $0.baseAddress, $0.count, 1)
                }
                expect(taken >= 0, "a header block that cannot be decoded")
                offset += taken
                if flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                    if fields == 0 {
                        let value = UnsafeBufferPointer(start: field.value, count: field.valuelen)
                        status = Int(String(decoding: value, as: UTF8.self)) ?? 0
                    }
                    fields += 1
                }
                if flags & CInt(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            }
            nghttp2_hd_inflate_end_headers(pointer)
            expect((100...599).contains(status), "the status \(status)")
            return status
        }
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    HTTP2Connection.check(FuzzInput(start, count))
    return 0
}
