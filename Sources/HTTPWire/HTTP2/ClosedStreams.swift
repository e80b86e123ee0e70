/// The streams that were closed last, and how: what still comes on one of them is an error, unless
/// we have reset it and the client could not know (RFC 9113 section 5.1).
///
/// nghttp2 would keep each closed stream whole, which is 25 kB for a connection that has served a
/// hundred; here it is four bytes.
struct ClosedStreams {
    enum Way: Equatable {
        /// Both sides had ended it, or the client has reset it.
        case ended
        /// We have reset it: what was on its way is ignored.
        case reset
    }

    private let capacity: Int
    /// Numbers of streams; negative when we have reset it. A ring once it is full.
    private var entries: [Int32] = []
    private var next = 0

    init(capacity: Int) {
        self.capacity = capacity
    }

    mutating func note(_ id: Int32, _ way: Way) {
        let entry = way == .reset ? -id : id
        if entries.count < capacity {
            entries.append(entry)
        } else {
            entries[next] = entry
            next = (next + 1) % capacity
        }
    }

    /// How a stream was closed; nil when it never was open, or was closed too long ago.
    func way(_ id: Int32) -> Way? {
        if entries.contains(id) { return .ended }
        return entries.contains(-id) ? .reset : nil
    }
}
