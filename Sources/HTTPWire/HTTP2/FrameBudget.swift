import ServiceLimits

/// What a client may still make one connection do besides moving data and answering requests
/// (RFC 9113 section 10.5).
///
/// Every frame costs; bytes of bodies, answered requests and time give back. A client that moves
/// data or is answered never notices; one that floods the connection with frames that lead nowhere
/// has spent its allowance after a burst.
struct FrameBudget {
    /// Frames that only cost us the parsing.
    static let frameCost = 1
    /// Frames that we answer, or that do nothing that a good client would repeat.
    static let controlCost = 5
    /// A request, until it is answered.
    static let requestCost = 5
    /// SETTINGS, each of which may change every stream's window and has to be acknowledged.
    static let settingsCost = 20
    /// A stream that was reset: the request was parsed and routed for nothing (CVE-2023-44487).
    static let resetCost = 50
    /// An answered request gives more than it cost, for the window updates that came with it.
    static let answerCredit = 10
    /// So many bytes of a body, either way, give one back.
    static let bytesPerCredit = 64

    private let capacity: Int
    private let rate: Int
    private var credit: Int
    private var refilled: Instant
    /// Bytes of bodies that have not given anything back yet.
    private var bytes = 0

    init(limits: Limits, now: Instant) {
        capacity = limits.frameCredit
        rate = limits.frameCreditRate
        credit = capacity
        refilled = now
    }

    var isExhausted: Bool { credit < 0 }

    /// What `rate` gives for the time since the last call.
    mutating func refill(now: Instant) {
        let elapsed = refilled.duration(to: now)
        // More seconds than fill it never matter, so a long time cannot overflow.
        let most = Duration.seconds(capacity / max(rate, 1) + 1)
        let milliseconds = Int(min(elapsed, most) / .milliseconds(1))
        let earned = milliseconds * rate / 1000
        guard earned > 0 else { return }
        earn(earned)
        refilled = now
    }

    mutating func spend(_ cost: Int) { credit -= cost }

    mutating func earn(_ amount: Int) { credit = min(capacity, credit + amount) }

    /// Bytes of a body came or were sent.
    mutating func moved(_ count: Int) {
        bytes += count
        guard bytes >= Self.bytesPerCredit else { return }
        earn(bytes / Self.bytesPerCredit)
        bytes %= Self.bytesPerCredit
    }

    /// A frame is about to come from the client.
    mutating func receive(_ frame: FrameTracker.Frame) {
        spend(Self.cost(of: frame))
        if frame.type == FrameTracker.Kind.data { moved(frame.length) }
    }

    static func cost(of frame: FrameTracker.Frame) -> Int {
        switch frame.type {
        case FrameTracker.Kind.data:
            // An empty frame is of use only as the last one of a body.
            frame.length > 0 || frame.endsStream ? frameCost : controlCost
        case FrameTracker.Kind.headers: requestCost
        case FrameTracker.Kind.windowUpdate: frameCost
        case FrameTracker.Kind.settings: settingsCost
        case FrameTracker.Kind.resetStream, FrameTracker.Kind.goAway: resetCost
        default: controlCost
        }
    }
}
