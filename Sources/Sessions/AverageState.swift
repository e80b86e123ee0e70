import Averaging
import Tensors

/// One average's live state: a value inside the session's lock, except for the slots' bytes.
struct AverageState {
    let settings: AverageSettings
    var trigger: TriggerState
    /// The session's revision at which averaging started; 0 for from the creation on.
    var startedRevision: Int
    /// Models in the average.
    var count = 0
    /// The session's revision at which this average last changed.
    var changedRevision = 0
    var header: SlotHeader?
    /// The published revision's slot, and every other that exists.
    var current: Slot?
    var others: [Slot] = []
    /// Numbers the slot files.
    var slotsCreated = 0

    init(_ settings: AverageSettings) {
        self.settings = settings
        trigger = TriggerState(settings.trigger)
        startedRevision = 0
    }

    var isStarted: Bool { trigger.start != nil }

    /// Takes a slot that may be written out of the spare ones; nil when there is none.
    mutating func takeSpare() -> Slot? {
        guard let index = others.firstIndex(where: { !$0.isPinned && !$0.isAbandoned }) else {
            return nil
        }
        return others.remove(at: index)
    }

    /// Publishes `slot`; the slot published until now becomes a spare one.
    ///
    /// Keeps one spare that can be written and those that readers hold; forgets the rest.
    mutating func publish(_ slot: Slot, count: Int, revision: Int) {
        if let current { others.append(current) }
        current = slot
        self.count = count
        changedRevision = revision
        guard others.count > 1 else { return }
        var hasSpare = false
        others.removeAll { slot in
            if slot.isAbandoned {
                slot.discard()
                return true
            }
            if slot.isPinned { return false }
            defer { hasSpare = true }
            return hasSpare
        }
    }

    var heldByteCount: Int {
        (current?.reservedByteCount ?? 0) + others.reduce(0) { $0 + $1.reservedByteCount }
    }
}
