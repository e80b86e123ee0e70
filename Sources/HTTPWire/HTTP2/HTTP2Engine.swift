import CNGHTTP2
public import ServiceLimits

/// HTTP/2 on one connection (RFC 9113), by libnghttp2, from the client's preface on.
///
/// nghttp2 keeps the states of streams, the windows and the compression; this class turns what it
/// reports into the calls of `RequestHandler`, `BodySink` and `BodySource`. Bodies are neither
/// copied in nor, from mapped files, out. A body that its sink pauses holds up its own stream only:
/// what comes within that stream's window is kept, and the window is given back when the sink has
/// taken the bytes. Engine and host hold each other until `disconnected`; exchanges, which are the
/// streams, reach both through a link that is cut then.
///
/// Time is looked at once a second while a stream is open: deadlines may be that much late.
public final class HTTP2Engine: WireEngine {
    let limits: Limits
    let handler: any RequestHandler
    let link: ConnectionLink<HTTP2Engine>
    let peer: Peer
    let session: HTTP2Session
    /// The last instant that a call brought.
    var now: Instant
    /// A call of the transport's is in progress: it looks at everything when it returns.
    var isInCall = false

    // MARK: Input

    var tracker = FrameTracker()
    var budget: FrameBudget
    /// The header block that is coming; blocks of several streams never mix.
    var section = FieldSection()
    /// A header block was far too large once it was decoded.
    var hasSwollenBlock = false
    /// The streams that are open, in no order.
    var streams: [HTTP2Stream] = []
    /// Of these, those with a sink.
    var sinks = 0
    var closed: ClosedStreams
    /// The streams that the client has ended in the bytes that are being worked on, and the last
    /// one before them.
    private var ended: [Int32] = []
    /// The header block that is coming, or came last, ends its stream.
    private var endsWithHead = false
    /// The last stream that the client has begun.
    var lastStream: Int32 = 0
    /// Bytes of a frame that the client may send (RFC 9113 section 6.5.2).
    var maximumFrameBytes = 16_384
    var peerEnded = false
    /// The client's SETTINGS have come, which end its preface.
    var sawSettings = false
    /// What has come goes on in the lane's next turn.
    var isResting = false
    /// What was wrong with a frame that ended nghttp2's work.
    var frameError: nghttp2_error_code?
    /// Nothing more is read: a GOAWAY is the last thing to be sent.
    var isFailed = false

    // MARK: Output

    var output = OutputBuffer()
    /// Streams of whose answers bytes were handed out that may not be written yet.
    var inFlight: [HTTP2Stream] = []
    var ending: EngineEnding?
    var date = HTTPDate()
    public private(set) var acknowledgedAnswers: Int

    // MARK: Time

    let handshakeDeadline: Instant
    /// When the last stream was closed.
    var idleSince: Instant
    /// When the header block that is coming began.
    var headBegan: Instant?
    var nextTick: Instant?
    var isShuttingDown = false
    /// The client was told to begin no more streams, but not yet that none is served.
    var owesGoAway = false
    /// The service stops: until then bodies are dropped whose answers were given before their end.
    var dropEnd: Instant?

    /// An engine for a connection on which the client speaks HTTP/2 from its first byte on.
    public convenience init(
        limits: Limits, handler: any RequestHandler, host: any EngineHost, peer: Peer,
        now: Instant
    ) {
        self.init(
            limits: limits, handler: handler, host: host, peer: peer, acknowledgedAnswers: 0,
            now: now)
        start()
    }

    /// - Parameter acknowledgedAnswers: the count of the engine that hands the connection over.
    init(
        limits: Limits, handler: any RequestHandler, host: any EngineHost, peer: Peer,
        acknowledgedAnswers: Int, now: Instant
    ) {
        self.limits = limits
        self.handler = handler
        self.peer = peer
        self.now = now
        self.acknowledgedAnswers = acknowledgedAnswers
        link = ConnectionLink(host: host)
        session = HTTP2Session(limits: limits)
        budget = FrameBudget(limits: limits, now: now)
        closed = ClosedStreams(capacity: limits.streams)
        handshakeDeadline = now + limits.headTimeout
        idleSince = now
        session.attach(self)
        link.connect(self)
    }

    /// Our preface: SETTINGS, and the connection's window.
    func start() {
        session.submitSettings(limits)
        let window = limits.streamWindow + limits.streams * limits.initialWindow
        session.setWindow(stream: 0, bytes: min(window, Int(Int32.max)))
    }

    /// Takes over from HTTP/1.1 with a request that came over it (RFC 7540 section 3.2): answers
    /// 101, and the request on stream 1.
    ///
    /// - Returns: false when `settings` are no SETTINGS; nothing has happened then.
    func upgrade(_ request: RequestHead, settings: [UInt8]) -> Bool {
        let isHeadRequest = request.method == "HEAD"
        guard session.upgrade(settings: settings, isHeadRequest: isHeadRequest) else {
            return false
        }
        // The client's preface is still to come.
        sawSettings = false
        let switching: StaticString =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        switching.withUTF8Buffer { output.append(UnsafeRawBufferPointer($0)) }
        start()
        let stream = addStream(1)
        stream.hasEnded = true
        begin(stream, request)
        return true
    }

    // MARK: WireEngine

    public var isReceivingBody: Bool { sinks > 0 }

    public var isReset: Bool { if case .reset = ending { true } else { false } }

    public var readDemand: ReadDemand {
        guard ending == nil, !isFailed, !isOutputBlocked, !isResting else { return .none }
        guard tracker.frame?.type == FrameTracker.Kind.data, tracker.payloadLeft > 0 else {
            return .bytes(atLeast: 1)
        }
        return .bytes(atLeast: min(tracker.payloadLeft, limits.receiveBytes))
    }

    /// So many answers to what the client sent wait because it does not read: nor do we, then.
    private var isOutputBlocked: Bool { session.queuedFrames > 2 * limits.streams }

    public func receive(
        _ bytes: UnsafeRawBufferPointer, now: Instant
    ) -> Int {
        call(now) {
            isResting = false
            guard ending == nil, !isFailed, !bytes.isEmpty else { return bytes.count }
            let count = follow(bytes)
            guard !isFailed else { return bytes.count }
            do throws(HTTP2Session.Failure) {
                try session.receive(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            } catch {
                fail(frameError ?? Self.cause(error))
            }
            if hasSwollenBlock { fail(NGHTTP2_ENHANCE_YOUR_CALM) }
            if count < bytes.count {
                isResting = true
                link.host?.wake()
            }
            return count
        }
    }

    /// Bytes of header blocks that are decoded in one turn. A byte can be a field, and a field
    /// takes some 60 ns: the other connections of the lane have waited a millisecond then.
    private static var blockBytesInTurn: Int { 16 * 1024 }

    /// Charges what is about to come, before any of it is worked on.
    ///
    /// - Returns: how much of it is to be worked on in this turn.
    private func follow(_ bytes: UnsafeRawBufferPointer) -> Int {
        budget.refill(now: now)
        var isBlockTooLarge = false
        var isOnClosedStream = false
        // What came before has been worked on, but for the frame that is coming.
        if ended.count > 1 { ended = ended.suffix(1) }
        let count = tracker.advance(over: bytes, blockLimit: Self.blockBytesInTurn) {
            frame, blockBytes in
            budget.receive(frame)
            switch frame.type {
            case FrameTracker.Kind.headers:
                headBegan = now
                endsWithHead = frame.endsStream
                if frame.endsHead, endsWithHead { ended.append(frame.streamID) }
            case FrameTracker.Kind.continuation where frame.endsHead && endsWithHead:
                ended.append(frame.streamID)
            case FrameTracker.Kind.resetStream:
                ended.append(frame.streamID)
            case FrameTracker.Kind.data:
                // The list is no longer than what the budget lets through.
                guard !budget.isExhausted, !isOnClosedStream else { break }
                isOnClosedStream = hasEnded(frame.streamID)
                if frame.endsStream { ended.append(frame.streamID) }
            default:
                break
            }
            if blockBytes > Self.headerRoom * limits.headerBytes { isBlockTooLarge = true }
        }
        if !tracker.isInsideHead { headBegan = nil }
        if isOnClosedStream { fail(NGHTTP2_STREAM_CLOSED) }
        if budget.isExhausted || isBlockTooLarge { fail(NGHTTP2_ENHANCE_YOUR_CALM) }
        return count
    }

    /// Whether the client had ended a stream, so that data on it are an error (RFC 9113 section
    /// 5.1), which nghttp2 drops without a word when our side has ended too.
    private func hasEnded(_ id: Int32) -> Bool {
        if ended.contains(id) { return true }
        return session.stream(id) == nil && closed.way(id) == .ended
    }

    /// So many times what is allowed of a head is read before it is cut off without an answer.
    static var headerRoom: Int { 4 }

    private static func cause(_ failure: HTTP2Session.Failure) -> nghttp2_error_code {
        switch nghttp2_error(failure.code) {
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC: NGHTTP2_PROTOCOL_ERROR
        case NGHTTP2_ERR_FLOODED, NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: NGHTTP2_ENHANCE_YOUR_CALM
        default: NGHTTP2_INTERNAL_ERROR
        }
    }

    public func receiveEnd(now: Instant) {
        call(now) {
            peerEnded = true
            for stream in streams where !stream.hasEnded {
                endSink(stream, .disconnected)
                session.submitReset(stream: stream.id, NGHTTP2_CANCEL)
            }
            // One that has closed its connection answers this with a reset, and its streams end.
            // One that may still read its answers need not answer.
            if streams.contains(where: { $0.hasEnded && $0.awaitsService }) {
                session.submitPing()
            }
        }
    }

    public func disconnected() {
        isInCall = true
        link.disconnect()
        end(.close)
        let streams = streams
        self.streams = []
        inFlight = []
        output = OutputBuffer()
        for stream in streams {
            stream.index = nil
            stream.body = AnswerBody()
            endSink(stream, isShuttingDown ? .shuttingDown : .disconnected)
            stream.cancel()
        }
        isInCall = false
    }

    // MARK: Ends

    func end(_ ending: EngineEnding) {
        self.ending = self.ending ?? ending
    }

    /// Ends the connection with a GOAWAY.
    func fail(_ code: nghttp2_error_code) {
        guard !isFailed else { return }
        isFailed = true
        session.terminate(code)
    }

    /// The client has read everything that was sent before our SETTINGS.
    func noteSettingsAcknowledged() {
        acknowledgedAnswers += 1
    }

    /// Wraps each of the transport's calls.
    func call<Result>(_ now: Instant, _ body: () -> Result) -> Result {
        isInCall = true
        self.now = now
        defer {
            updateTick()
            isInCall = false
        }
        return body()
    }
}
