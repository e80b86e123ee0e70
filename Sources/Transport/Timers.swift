import HTTPWire

/// Deadlines of one lane: a binary heap with lazy deletion.
///
/// An owner keeps the earliest instant it has asked for. It adds an entry only for an earlier one;
/// a deadline that moves away costs nothing until the old entry fires and is found to be early. So
/// each connection has a few entries at most, and idle ones cost nothing per turn. Entries of
/// connections that have gone are swept out when they may be more than those that count: clients
/// that come and go would leave millions of them within one idle timeout.
struct Timers {
    struct Entry {
        let instant: Instant
        let token: Token
    }

    /// So many are never swept: they are 32 KiB.
    private static let fewEntries = 1024

    private var heap: [Entry] = []
    /// With so many entries it is time to look for those that do not count any more.
    private var sweepCount = fewEntries

    var count: Int { heap.count }

    var earliest: Instant? { heap.first?.instant }

    mutating func add(_ token: Token, at instant: Instant) {
        heap.append(Entry(instant: instant, token: token))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].instant < heap[parent].instant else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the entries that are due, earliest first.
    mutating func takeDue(at now: Instant) -> [Entry] {
        var due: [Entry] = []
        while let first = heap.first, first.instant <= now {
            due.append(first)
            let last = heap.removeLast()
            guard !heap.isEmpty else { break }
            heap[0] = last
            sink(from: 0)
        }
        return due
    }

    /// Removes the entries that do not count any more, if so many have come since the last time
    /// that looking at each costs no more than adding them did.
    mutating func sweepIfDue(_ counts: (Entry) -> Bool) {
        guard heap.count >= sweepCount else { return }
        heap = heap.filter(counts)
        sweepCount = max(2 * heap.count, Self.fewEntries)
        for parent in (0..<heap.count / 2).reversed() { sink(from: parent) }
    }

    private mutating func sink(from start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, heap[child + 1].instant < heap[child].instant { child += 1 }
            guard heap[child].instant < heap[parent].instant else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}

extension Duration {
    /// Whole milliseconds, rounded up so that a wait never ends before its deadline; between 0 and
    /// an hour.
    var waitMilliseconds: Int32 {
        guard self > .zero else { return 0 }
        guard self < .seconds(3600) else { return 3_600_000 }
        let (seconds, attoseconds) = components
        let millisecond: Int64 = 1_000_000_000_000_000
        return Int32(seconds * 1000 + (attoseconds + millisecond - 1) / millisecond)
    }
}
