import Synchronization

/// One request of an HTTP/2 connection.
///
/// `@unchecked Sendable`: what `Exchange` declares may be called from any thread and only touches
/// the link and `isAnswered`; everything else is touched on the connection's lane only.
final class HTTP2Stream: Exchange, @unchecked Sendable {
    enum Delivery {
        /// To the sink.
        case pushing
        /// The sink does not take any now.
        case paused
        /// Nobody wants it.
        case dropping
    }

    enum Answer {
        /// Not given.
        case none
        /// Given, and not handed out whole.
        case sending
        /// Its last byte was handed out.
        case sent
    }

    private let link: ConnectionLink<HTTP2Engine>
    private let isAnswered = Atomic<Bool>(false)
    private var cancellation: (@Sendable () -> Void)?

    let id: Int32
    /// Its place in the engine's list; nil when the stream is closed.
    var index: Int?

    // MARK: The request

    /// The client has sent the stream's end.
    var hasEnded = false
    var isHeadRequest = false
    var sink: (any BodySink)?
    var delivery = Delivery.dropping
    /// Bytes of the body that came while the sink did not take any, from `keptStart` on: never more
    /// than the stream's window.
    var kept: [UInt8] = []
    var keptStart = 0
    /// Bytes that may still be dropped before the stream's window is left shut.
    var dropAllowance = 0
    /// Bytes that were dropped, and not given back to the stream's window.
    var withheld = 0
    /// Until then what comes after the answer is dropped; then the stream is reset.
    var lingerEnd: Instant?
    /// The body came too slowly: it is not waited for after the answer.
    var wasTimedOut = false
    /// The length the client declared, less what has come.
    var remaining: Int?
    /// The client may be waiting for `100 Continue`, so its body may never come.
    var mayAwaitContinue = false
    var clock: BodyClock
    var trailerBytes = 0
    /// We reset the stream; for the client's fault.
    var wasReset = false
    var wasMalformed = false

    // MARK: The answer

    var answer = Answer.none
    var body = AnswerBody()
    var closesConnection = false
    /// When something of the answer was last known to be written, or could begin to be.
    var progress: Instant
    /// Bytes were handed out and may not be written yet; of a file, too.
    var isInFlight = false
    var hasSliceInFlight = false
    /// The service, or a source of its, gave the answer up.
    var wasFailed = false

    init(
        link: ConnectionLink<HTTP2Engine>, id: Int32, clock: BodyClock,
        now: Instant
    ) {
        self.link = link
        self.id = id
        self.clock = clock
        progress = now
    }

    /// Whether nothing moves before the service does something.
    var awaitsService: Bool {
        switch answer {
        case .none: true
        case .sending: body.isWaiting
        case .sent: false
        }
    }

    // MARK: Exchange

    func respond(_ response: Response) {
        guard !isAnswered.exchange(true, ordering: .relaxed) else { return }
        if link.lane.isCurrent {
            link.engine?.answer(self, response)
            return
        }
        let handover = ResponseHandover(response: response)
        link.lane.post { self.link.engine?.answer(self, handover.response) }
    }

    func resumeBody() {
        // Queued even on the lane: a sink may call this inside `receive`, before it has paused.
        link.lane.post { self.link.engine?.resumeBody(self) }
    }

    func widenWindow() {
        link.lane.post { self.link.engine?.widenWindow(self) }
    }

    func resumeResponse() {
        link.lane.post { self.link.engine?.resumeResponse(self) }
    }

    func failResponse() {
        link.lane.post { self.link.engine?.failResponse(self) }
    }

    func onCancel(_ work: @escaping @Sendable () -> Void) {
        guard link.lane.isCurrent else { return link.lane.post { self.onCancel(work) } }
        cancellation = work
        if index != nil, case .none = answer { return }
        link.lane.post { self.cancel() }
    }

    /// The request has ended, and if it was not answered by then never will be. On the lane.
    func cancel() {
        guard let work = cancellation else { return }
        cancellation = nil
        if !isAnswered.load(ordering: .relaxed) { work() }
    }

    func onLane(_ work: @escaping @Sendable () -> Void) {
        // Whether or not the client has gone: what the service began for it must end too.
        link.lane.post(work)
    }
}
