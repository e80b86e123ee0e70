/// A point in time on the clock that deadlines are kept by, to the nanosecond.
///
/// What `ContinuousClock.Instant` is, with a layout that the compiler knows. That one's belongs to
/// the runtime: each copy of it goes through tables of functions, and each access to an object
/// that holds one is checked for exclusivity, at every request many times.
public struct Instant: Sendable, Comparable {
    /// What an instant is advanced by at most, in seconds: thirty years are as good as for ever.
    private static let longest: Int64 = 1_000_000_000

    /// The time since the clock's beginning, in nanoseconds.
    public let nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Whether both are the same point.
    @inlinable
    public static func == (one: Instant, other: Instant) -> Bool {
        one.nanoseconds == other.nanoseconds
    }

    /// Whether `one` comes first.
    @inlinable
    public static func < (one: Instant, other: Instant) -> Bool {
        one.nanoseconds < other.nanoseconds
    }

    /// The instant `duration` later.
    public static func + (instant: Instant, duration: Duration) -> Instant {
        let (seconds, attoseconds) = duration.components
        let bounded = min(max(seconds, -longest), longest)
        return Instant(
            nanoseconds: instant.nanoseconds + bounded * 1_000_000_000
                + attoseconds / 1_000_000_000)
    }

    /// The instant `duration` earlier.
    public static func - (instant: Instant, duration: Duration) -> Instant {
        instant + (.zero - duration)
    }

    /// The time from `start` to `end`.
    public static func - (end: Instant, start: Instant) -> Duration {
        .nanoseconds(end.nanoseconds - start.nanoseconds)
    }

    /// The instant `duration` later.
    public func advanced(by duration: Duration) -> Instant { self + duration }

    /// The time from this instant to `end`.
    public func duration(to end: Instant) -> Duration { end - self }
}
