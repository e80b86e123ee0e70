/// The slots of one average: a value inside the session's lock, except for their bytes.
///
/// There is the published slot, the one that an upload writes or will write, and at most
/// `Limits.pinnedRevisions` that readers hold: never more files than these.
struct SlotSet {
    /// The header of every slot; nil before the layout is fixed.
    var header: SlotHeader?
    /// The published revision's slot.
    private(set) var current: Slot?
    /// Every other that exists and is not being written, in the order in which they were replaced.
    private(set) var others: [Slot] = []
    /// An upload has taken its room.
    private var isWriting = false
    /// Slots that `takeSurplus` gave out and that still exist.
    private var leavingCount = 0
    /// Spare slots, by number, that were too many when `takeSurplus` looked last.
    private var idle: Set<Int> = []
    /// The number of the next slot file.
    private var nextNumber = 0

    /// Where an upload's result goes: a slot that may be written, or room for a new one.
    struct Room {
        /// Nil: a new one is to be made.
        var spare: Slot?
        /// To be discarded before a new one is made.
        var replaced: Slot?
        /// The number of the new one, which no other has had.
        var number: Int
    }

    init() {}

    /// Slots found again at start.
    init(header: SlotHeader, current: Slot) {
        self.header = header
        self.current = current
        nextNumber = current.number + 1
    }

    // MARK: Writing

    /// Whether `takeRoom` finds room while readers may hold `bound` slots beside the current one.
    func hasRoom(bound: Int) -> Bool {
        others.count + leavingCount <= bound || others.contains { !$0.readers.isSending }
    }

    /// Takes a slot to be written, or room for one; there must be some.
    ///
    /// A slot whose readers only linger is kept up to the bound, since it can be written again when
    /// they go, and a new one costs more than an upload into it. To be followed by `publish` or
    /// `giveBack`.
    mutating func takeRoom(bound: Int) -> Room {
        precondition(!isWriting, "two uploads write one average")
        var room = Room(spare: nil, replaced: nil, number: nextNumber)
        // The last, so that one which is not needed stays idle and is found by `takeSurplus`.
        if let index = others.lastIndex(where: { $0.readers.isEmpty }) {
            idle.remove(others[index].number)
            room.spare = others.remove(at: index)
        } else if others.count + leavingCount > bound {
            let index =
                others.firstIndex { $0.readers.isAbandoned && !$0.readers.isSending }
                ?? others.firstIndex { !$0.readers.isSending }
            guard let index else { preconditionFailure("an upload began without room") }
            room.replaced = others.remove(at: index)
        }
        if room.spare == nil { nextNumber += 1 }
        isWriting = true
        return room
    }

    /// Publishes the slot that was written; the slot published until now becomes another one.
    mutating func publish(_ slot: Slot) {
        if let current { others.append(current) }
        current = slot
        isWriting = false
    }

    /// The room that was taken is not needed; `slot` is what exists of it.
    mutating func giveBack(_ slot: Slot?) {
        if let slot { others.append(slot) }
        isWriting = false
    }

    /// How to drop the readers of the slot that has been kept longest by slow ones alone (as
    /// `SlotReaders.overdue`).
    func overdueReaders(
        now: ContinuousClock.Instant, rate: Int, grace: Duration
    ) -> [@Sendable () -> Void] {
        for slot in others {
            if let drops = slot.readers.overdue(now: now, rate: rate, grace: grace) {
                return drops
            }
        }
        return []
    }

    // MARK: Forgetting

    /// Takes out slots that nothing will need: those that can never be written again, and spare
    /// ones beyond the one that the next upload takes, if they were so at the last call too (with
    /// many readers and uploads a slot set free is soon used). To be discarded, and then
    /// `discarded` called.
    mutating func takeSurplus() -> [Slot] {
        let wasIdle = idle
        idle = []
        var spares = isWriting ? 1 : 0
        var surplus: [Slot] = []
        for index in others.indices.reversed() {
            let slot = others[index]
            if slot.readers.isEmpty {
                spares += 1
                if spares == 1 { continue }
                guard wasIdle.contains(slot.number) else {
                    idle.insert(slot.number)
                    continue
                }
            } else if !slot.readers.isAbandoned || slot.readers.isSending {
                continue
            }
            surplus.append(others.remove(at: index))
        }
        leavingCount += surplus.count
        return surplus
    }

    /// So many that `takeSurplus` gave out exist no more.
    mutating func discarded(_ count: Int) { leavingCount -= count }

    var heldByteCount: Int {
        (current?.reservedByteCount ?? 0) + others.reduce(0) { $0 + $1.reservedByteCount }
    }
}
