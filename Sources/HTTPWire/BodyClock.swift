/// When a request's body has come too slowly.
///
/// An allowance of time that starts at the grace, runs out while the service reads, grows with each
/// byte by what the rate gives that byte, and is never more than the grace. So a body that stalls
/// is cut off one grace later, however much came before, and one that keeps up the rate never is.
struct BodyClock {
    private let grace: Duration
    private let rate: Int
    /// Set while the clock runs.
    private(set) var deadline: Instant?
    /// What is left of the allowance while the clock stands.
    private var left: Duration
    /// Bytes already counted although they lie unread in the socket.
    private var counted = 0

    /// A standing clock; `rate` is in bytes a second.
    init(grace: Duration, rate: Int) {
        self.grace = grace
        self.rate = rate
        left = grace
    }

    mutating func run(now: Instant) {
        guard deadline == nil else { return }
        deadline = now + left
    }

    mutating func stop(now: Instant) {
        guard let deadline else { return }
        left = max(.zero, deadline - now)
        self.deadline = nil
    }

    /// `count` bytes were taken from the socket.
    mutating func received(_ count: Int, now: Instant) {
        let fresh = max(0, count - counted)
        counted = max(0, counted - count)
        extend(fresh, now)
    }

    /// The deadline passed while `unreadBytes` lay in the socket.
    ///
    /// - Returns: whether they are enough to go on.
    mutating func allows(unreadBytes: Int, now: Instant) -> Bool {
        extend(max(0, unreadBytes - counted), now)
        counted = max(counted, unreadBytes)
        return deadline.map { $0 > now } ?? true
    }

    private mutating func extend(_ count: Int, _ now: Instant) {
        guard let deadline, count > 0, rate > 0 else { return }
        // More seconds than the grace has never matter, so a large count cannot overflow.
        let seconds = min(count / rate, Int(grace.components.seconds) + 1)
        let rest = Duration.nanoseconds(count % rate * 1_000_000_000 / rate)
        self.deadline = min(deadline + .seconds(seconds) + rest, now + grace)
    }
}
