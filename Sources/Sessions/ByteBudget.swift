import Synchronization

/// Bytes of memory or files that many holders may have together. Any thread.
public final class ByteBudget: Sendable {
    /// What all holders together may have.
    public let limit: Int
    private let used = Atomic<Int>(0)

    public init(limit: Int) {
        self.limit = limit
    }

    /// Takes `count` bytes if they are there.
    public func take(_ count: Int) -> Bool {
        let after = used.add(count, ordering: .relaxed).newValue
        if after <= limit { return true }
        used.subtract(count, ordering: .relaxed)
        return false
    }

    /// Takes `count` bytes that are held already, even beyond the limit.
    func takeAnyway(_ count: Int) {
        used.add(count, ordering: .relaxed)
    }

    /// Gives `count` bytes back that were taken.
    public func give(back count: Int) {
        used.subtract(count, ordering: .relaxed)
    }

    var usedByteCount: Int { used.load(ordering: .relaxed) }
}
