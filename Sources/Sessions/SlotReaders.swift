import Synchronization

/// Who may still refer to a slot's bytes. Any thread.
///
/// A pin is *sending* until its last byte was handed to the kernel, and then *lingers* until nobody
/// can refer to the pages any more. A slot may be written again when it has neither; it may be
/// discarded when it has none that is sending, because pages outlive their file as long as a
/// socket refers to them.
final class SlotReaders: Sendable {
    private struct State {
        /// Pins that a reader may hold up.
        var paced: [ObjectIdentifier: ReaderPace] = [:]
        /// Pins that none does, which come and go with every request.
        var unpaced = 0
        var lingering = 0
        var isAbandoned = false

        var isSending: Bool { unpaced > 0 || !paced.isEmpty }

        mutating func endSending(_ pin: ObjectIdentifier, isPaced: Bool) {
            if isPaced { paced[pin] = nil } else { unpaced -= 1 }
        }
    }

    private let state = Mutex(State())

    var isSending: Bool { state.withLock { $0.isSending } }

    /// A reader was lost sight of that may refer to the bytes for ever.
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    /// Nobody refers to the bytes: they may be written.
    var isEmpty: Bool {
        state.withLock { !$0.isSending && $0.lingering == 0 && !$0.isAbandoned }
    }

    /// How to drop those that the slot is held up by, when every one of them has had more time than
    /// a reader of `rate` bytes a second needs, and `grace`; else nil.
    func overdue(
        now: ContinuousClock.Instant, rate: Int, grace: Duration
    ) -> [@Sendable () -> Void]? {
        state.withLock { state in
            let isHeldUp =
                state.unpaced == 0 && !state.paced.isEmpty
                && state.paced.values.allSatisfy {
                    $0.isOverdue(now: now, rate: rate, grace: grace)
                }
            return isHeldUp ? state.paced.values.map(\.drop) : nil
        }
    }

    func abandon() { state.withLock { $0.isAbandoned = true } }

    fileprivate func add(_ pin: ObjectIdentifier, _ pace: ReaderPace?) {
        state.withLock { state in
            if let pace { state.paced[pin] = pace } else { state.unpaced += 1 }
        }
    }

    fileprivate func linger(_ pin: ObjectIdentifier, isPaced: Bool) {
        state.withLock { state in
            state.endSending(pin, isPaced: isPaced)
            state.lingering += 1
        }
    }

    fileprivate func remove(_ pin: ObjectIdentifier, isPaced: Bool, isLingering: Bool) {
        state.withLock { state in
            if isLingering {
                state.lingering -= 1
            } else {
                state.endSending(pin, isPaced: isPaced)
            }
        }
    }
}

/// What a reader is measured by when it keeps an upload from its slot.
struct ReaderPace {
    /// When its response began.
    let since: ContinuousClock.Instant
    /// Bytes of the response.
    let byteCount: Int
    /// Ends the response. Any thread.
    let drop: @Sendable () -> Void

    func isOverdue(now: ContinuousClock.Instant, rate: Int, grace: Duration) -> Bool {
        now - since > .seconds(Double(byteCount) / Double(rate)) + grace
    }
}

/// Holds a slot's bytes as they are while it is alive. May be used from any thread.
public final class SlotPin: Sendable {
    let slot: Slot
    /// Not weak: objects with weak references are counted more slowly, at every request.
    private let session: Session?
    private let pace: ReaderPace?
    private let isLingering = Atomic(false)

    init(_ slot: Slot, of session: Session?, pace: ReaderPace? = nil) {
        self.slot = slot
        self.session = session
        self.pace = pace
        slot.readers.add(ObjectIdentifier(self), pace)
    }

    deinit {
        slot.readers.remove(
            ObjectIdentifier(self), isPaced: pace != nil,
            isLingering: isLingering.load(ordering: .relaxed))
        session?.readerLetGo()
    }

    /// A further pin of the same slot, for a part of the same response.
    public func again() -> SlotPin { SlotPin(slot, of: session, pace: pace) }

    func paced(_ pace: ReaderPace) -> SlotPin { SlotPin(slot, of: session, pace: pace) }

    /// The last byte was sent: nobody uses the slot's mapping or descriptor by this pin any more.
    public func sent() {
        guard !isLingering.exchange(true, ordering: .relaxed) else { return }
        slot.readers.linger(ObjectIdentifier(self), isPaced: pace != nil)
        session?.readerLetGo()
    }

    /// A reader may refer to the bytes even after this pin is gone: the file is not written again.
    public func abandoned() { slot.readers.abandon() }
}
