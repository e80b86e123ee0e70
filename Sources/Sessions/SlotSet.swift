/// The slots of one average: a value inside the session's lock, except for their bytes.
struct SlotSet {
    /// The header of every slot; nil before the layout is fixed.
    var header: SlotHeader?
    /// The published revision's slot.
    private(set) var current: Slot?
    /// Every other that exists and is not being written.
    private var others: [Slot] = []
    /// The number of the next slot file.
    private var nextNumber = 0

    init() {}

    /// Slots found again at start.
    init(header: SlotHeader, current: Slot) {
        self.header = header
        self.current = current
        nextNumber = current.number + 1
    }

    mutating func makeNumber() -> Int {
        defer { nextNumber += 1 }
        return nextNumber
    }

    /// Takes a slot that may be written out of the spare ones; nil when there is none.
    mutating func takeSpare() -> Slot? {
        guard let index = others.firstIndex(where: { !$0.isPinned && !$0.isAbandoned }) else {
            return nil
        }
        return others.remove(at: index)
    }

    mutating func putBack(_ slot: Slot) {
        others.append(slot)
        trim()
    }

    /// Publishes `slot`; the slot published until now becomes a spare one.
    mutating func publish(_ slot: Slot) {
        if let current { others.append(current) }
        current = slot
        trim()
    }

    /// Keeps one spare slot that can be written and those that readers hold; forgets the rest.
    private mutating func trim() {
        guard others.count > 1 || others.first?.isAbandoned == true else { return }
        var hasSpare = false
        others.removeAll { slot in
            if !slot.isAbandoned {
                if slot.isPinned { return false }
                if !hasSpare {
                    hasSpare = true
                    return false
                }
            }
            slot.discard()
            return true
        }
    }

    var heldByteCount: Int {
        (current?.reservedByteCount ?? 0) + others.reduce(0) { $0 + $1.reservedByteCount }
    }
}
