public import ServiceLimits

/// HTTP/1.1 and HTTP/1.0 on one connection (RFC 9112).
///
/// One request at a time: the next head is parsed when the current body has been read and every
/// byte of the current answer has been written. Strict: what RFC 9112 lets a server refuse is
/// refused, and after a refusal nothing more is parsed. Engine and host hold each other until
/// `disconnected`; exchanges reach both through a link that is cut then.
///
/// A connection that sends nothing is closed after `Limits.headTimeout`; after its first answer it
/// may be idle for `Limits.idleTimeout`. Neither is answered. A head is given
/// `Limits.headTimeout` from its first byte, and then 408.
public final class HTTP1Engine: WireEngine {
    /// What is done with bytes that come.
    enum Phase {
        /// They are a head's.
        case head
        /// They are the current request's body's.
        case body
        /// The request is complete, its answer is not: they wait.
        case complete
        /// Nothing more is parsed.
        case ended
        /// What comes is another engine's.
        case handedOver
    }

    enum BodyFraming {
        /// So many bytes are still to come.
        case length(Int)
        case chunked(ChunkedDecoder)
    }

    enum Delivery {
        /// To the sink.
        case pushing
        /// The sink does not take any now.
        case paused
        /// Nobody wants them.
        case dropping
    }

    enum Output {
        /// There is no answer, or the last one is written.
        case idle
        case given(Response)
        case bytes([UInt8])
        case slice(FileSlice)
        case stream(ResponseStream)
        /// The last piece was handed out; when the transport asks again, it is written.
        case last
    }

    let limits: Limits
    let handler: any RequestHandler
    let link: ConnectionLink<HTTP1Engine>
    let peer: Peer
    /// The last instant that a call brought.
    var now: Instant
    /// A call of the transport's is in progress: it looks at everything when it returns.
    var isInCall = false

    var phase = Phase.head
    var reader: HeadReader
    /// Bytes of HTTP/2's preface that have come instead of a head; nil when it can come no more.
    var prefaceSeen: Int? = 0
    /// When the head, or its first byte, must have come.
    var headDeadline: Instant
    var framing = BodyFraming.length(0)
    var delivery = Delivery.dropping
    var sink: (any BodySink)?
    /// Changed by putting another in its place: if it were changed where it is, each look at it
    /// would have to be checked for exclusivity.
    var bodyClock: BodyClock
    /// Bytes of a chunked body, framing included, that may still be dropped without an answer.
    var dropAllowance = 0
    /// The client may be waiting for `100 Continue`, so its body may never come.
    var mayAwaitContinue = false
    /// `100 Continue` is the next output.
    var owesContinue = false
    /// The last `receive` did not take everything.
    var hasRefused = false
    var peerEnded = false
    var isShuttingDown = false

    /// What the peer passed with the request that is being received.
    var descriptors: [any PassedDescriptor] = []

    /// The request that is being received or answered.
    var exchange: HTTP1Exchange?
    var isHeadRequest = false
    var isOldVersion = false
    var keepsAlive = false
    var output = Output.idle
    var isAnswerWritten = false
    var closesAfterAnswer = false
    var ending: EngineEnding?
    var date = HTTPDate()
    /// The next head proves that the last answer was read; false when it was pipelined.
    var nextHeadAcknowledges = false
    public private(set) var acknowledgedAnswers = 0

    public init(
        limits: Limits, handler: any RequestHandler, host: any EngineHost, peer: Peer,
        now: Instant
    ) {
        self.limits = limits
        self.handler = handler
        self.now = now
        self.peer = peer
        link = ConnectionLink(host: host)
        reader = HeadReader(peer: peer)
        headDeadline = now + limits.headTimeout
        bodyClock = BodyClock(grace: limits.bodyGrace, rate: limits.bodyRate)
        link.connect(self)
    }

    /// Whether nothing of the next head has come.
    var isHeadEmpty: Bool { reader.isEmpty && (prefaceSeen ?? 0) == 0 }

    public var isReceivingBody: Bool { phase == .body && sink != nil }

    public var isReset: Bool { if case .reset = ending { true } else { false } }

    public var readDemand: ReadDemand {
        guard ending == nil else { return .none }
        switch phase {
        case .head:
            return .bytes(atLeast: 1)
        case .body:
            guard isReadingBody else { return .none }
            guard case .length(let remaining) = framing else { return .bytes(atLeast: 1) }
            return .bytes(atLeast: min(remaining, limits.receiveBytes))
        case .complete, .ended, .handedOver:
            return .none
        }
    }

    public func beginShutdown(now: Instant) {
        call(now) {
            isShuttingDown = true
            if phase == .head {
                end(.close)
            } else if isAnswerWritten {
                // What is left of the body must not make the peer see a reset instead.
                end(.closeAfterLinger)
            }
        }
    }

    public func endGrace(now: Instant, until end: Instant) {
        call(now) {
            if isReceivingBody { refuse(.shuttingDown, abort: .shuttingDown) }
        }
    }

    public func disconnected() {
        isInCall = true
        link.disconnect()
        end(.close)
        descriptors = []
        output = .idle
        abandon(isShuttingDown ? .shuttingDown : .disconnected)
        isInCall = false
    }

    public func receiveEnd(now: Instant) {
        call(now) {
            peerEnded = true
            if !hasRefused { inputEnded() }
        }
    }

    /// Everything that the peer sent before its FIN was taken.
    func inputEnded() {
        switch phase {
        case .head:
            end(.close)
        case .body where sink != nil:
            end(.close)
            abandon(.disconnected)
        case .body where isAnswerWritten:
            end(.close)
        case .body:
            phase = .ended
            closesAfterAnswer = true
        case .complete, .ended, .handedOver:
            break
        }
    }

    func end(_ ending: EngineEnding) {
        self.ending = self.ending ?? ending
        phase = .ended
    }

    func abortBody(_ reason: BodyAbort) {
        let sink = sink
        self.sink = nil
        sink?.abort(reason)
    }

    /// The request ends here, wherever it stands.
    func abandon(_ reason: BodyAbort) {
        let exchange = exchange
        self.exchange = nil
        abortBody(reason)
        exchange?.cancel()
    }

    func noteAcknowledgement() {
        if nextHeadAcknowledges { acknowledgedAnswers += 1 }
        nextHeadAcknowledges = false
    }

    /// Wraps each of the transport's calls.
    func call<Result>(_ now: Instant, _ body: () -> Result) -> Result {
        isInCall = true
        self.now = now
        defer {
            updateBodyClock()
            isInCall = false
        }
        return body()
    }
}
