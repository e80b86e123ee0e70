import CNGHTTP2
import HTTPWire
import ServiceLimits
import Testing

/// A client that writes its frames by hand, on a `Wire`. What the server writes is read strictly:
/// whole frames only, header blocks by nghttp2's decoder.
final class HTTP2Client {
    struct Answer: Equatable {
        var status = 0
        var fields: [String: String] = [:]
        var body: [UInt8] = []
        var isComplete = false
        /// The code of RST_STREAM.
        var reset: Int?
        var interim: [Int] = []

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    let wire: Wire
    private var inflater: OpaquePointer?
    private var parsed = 0
    /// Everything the server sent.
    private(set) var frames: [Frame] = []
    private(set) var answers: [Int: Answer] = [:]

    static let post = [
        (":method", "POST"), (":scheme", "http"), (":path", "/p"), (":authority", "a"),
    ]

    static func get(_ path: String = "/", _ more: [(String, String)] = []) -> [(String, String)] {
        [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")] + more
    }

    /// Sends the preface and `settings`, and acknowledges the server's.
    init(_ wire: Wire, settings: [(id: Int, value: Int)] = [], opens: Bool = true) {
        self.wire = wire
        guard nghttp2_hd_inflate_new(&inflater) == 0 else { preconditionFailure("no memory") }
        if opens {
            wire.send(Frame.preface + Frame.settings(settings).bytes)
            send(Frame(.settings, flags: Frame.ack))
        }
    }

    convenience init(
        limits: Limits = Limits(), settings: [(id: Int, value: Int)] = [],
        _ handle: @escaping FakeHandler.Handle
    ) {
        self.init(Wire(limits: limits, handle), settings: settings)
    }

    /// Answers every request with 200 and its path.
    static func echo(limits: Limits = Limits()) -> HTTP2Client {
        HTTP2Client(Wire.echo(limits: limits))
    }

    /// Pushes each body into `sink`, and answers 200 at its end.
    static func upload(_ sink: FakeSink, limits: Limits = Limits()) -> HTTP2Client {
        let client = HTTP2Client(Wire.upload(sink, limits: limits))
        sink.onFinish = { [unowned client] in
            client.wire.exchange.respond(Response(status: 200))
        }
        return client
    }

    deinit { nghttp2_hd_inflate_del(inflater) }

    func send(_ frames: Frame...) { send(frames) }

    func send(_ frames: [Frame]) {
        wire.send(frames.flatMap(\.bytes))
        read()
    }

    func advance(_ duration: Duration, unreadBytes: Int = 0) {
        wire.advance(duration, unreadBytes: unreadBytes)
        read()
    }

    func settle() {
        wire.settle()
        read()
    }

    /// The code of the GOAWAY that ended the connection; nil without one.
    var goAway: Int? { frames.last { $0.is(.goAway) }?.number(at: 4) }

    func answer(_ stream: Int) -> Answer { answers[stream] ?? Answer() }

    /// What the server gave back of a window.
    func windowGiven(_ stream: Int) -> Int {
        frames.filter { $0.is(.windowUpdate) && $0.stream == stream }
            .reduce(0) { $0 + $1.number(at: 0) }
    }

    /// Reads frames after the first `skipped` bytes, which are HTTP/1.1's.
    func read(after skipped: Int = 0) {
        parsed = max(parsed, skipped)
        var rest = wire.written[parsed...]
        while let frame = Frame(taking: &rest) {
            frames.append(frame)
            note(frame)
        }
        parsed = rest.startIndex
    }

    private func note(_ frame: Frame) {
        let stream = frame.stream
        switch Frame.Kind(rawValue: frame.kind) {
        case .headers:
            #expect(frame.flags & Frame.endHeaders != 0)
            let fields = inflate(frame.payload)
            let status = fields.first.flatMap { $0.0 == ":status" ? Int($0.1) : nil } ?? -1
            var answer = answers[stream] ?? Answer()
            #expect(answer.status == 0 && !answer.isComplete)
            if 100..<200 ~= status {
                answer.interim.append(status)
            } else {
                answer.status = status
                for (name, value) in fields.dropFirst() { answer.fields[name] = value }
            }
            answer.isComplete = frame.flags & Frame.endStream != 0
            answers[stream] = answer
        case .data:
            #expect(answers[stream]?.status ?? 0 != 0 && answers[stream]?.isComplete == false)
            answers[stream]?.body += frame.payload
            answers[stream]?.isComplete = frame.flags & Frame.endStream != 0
        case .reset:
            answers[stream, default: Answer()].reset = frame.number(at: 0)
        default:
            break
        }
    }

    private func inflate(_ block: [UInt8]) -> [(String, String)] {
        var fields: [(String, String)] = []
        var position = 0
        while true {
            var field = nghttp2_nv()
            var flags: Int32 = 0
            let count = block.withUnsafeBufferPointer { block in
                nghttp2_hd_inflate_hd2(
                    inflater, &field, &flags, block.baseAddress.map { $0 + position },
                    block.count - position, 1)
            }
            guard count >= 0 else {
                Issue.record("the server's header block is malformed")
                return fields
            }
            position += count
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                let name = UnsafeBufferPointer(start: field.name, count: field.namelen)
                let value = UnsafeBufferPointer(start: field.value, count: field.valuelen)
                fields.append(
                    (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
                nghttp2_hd_inflate_end_headers(inflater)
                return fields
            }
        }
    }
}
