import Synchronization

/// Who may still refer to a slot's bytes. Any thread.
///
/// A pin is *sending* until its last byte was handed to the kernel, and then *lingers* until nobody
/// can refer to the pages any more. A slot may be written again when it has neither; it may be
/// discarded when it has none that is sending, because pages outlive their file as long as a
/// socket refers to them.
final class SlotReaders: Sendable {
    private struct State {
        /// Nil for a pin that no reader holds up.
        var sending: [ObjectIdentifier: ReaderPace?] = [:]
        var lingering = 0
        var isAbandoned = false
    }

    private let state = Mutex(State())

    var isSending: Bool { state.withLock { !$0.sending.isEmpty } }

    /// A reader was lost sight of that may refer to the bytes for ever.
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    /// Nobody refers to the bytes: they may be written.
    var isEmpty: Bool {
        state.withLock { $0.sending.isEmpty && $0.lingering == 0 && !$0.isAbandoned }
    }

    /// How to drop those that the slot is held up by, when every one of them has had more time than
    /// a reader of `rate` bytes a second needs, and `grace`; else nil.
    func overdue(
        now: ContinuousClock.Instant, rate: Int, grace: Duration
    ) -> [@Sendable () -> Void]? {
        state.withLock { state in
            var drops: [@Sendable () -> Void] = []
            for pace in state.sending.values {
                guard let pace, pace.isOverdue(now: now, rate: rate, grace: grace) else {
                    return nil
                }
                drops.append(pace.drop)
            }
            return drops.isEmpty ? nil : drops
        }
    }

    func abandon() { state.withLock { $0.isAbandoned = true } }

    fileprivate func add(_ pin: ObjectIdentifier, _ pace: ReaderPace?) {
        state.withLock { $0.sending[pin] = .some(pace) }
    }

    fileprivate func linger(_ pin: ObjectIdentifier) {
        state.withLock { state in
            if state.sending.removeValue(forKey: pin) != nil { state.lingering += 1 }
        }
    }

    fileprivate func remove(_ pin: ObjectIdentifier) {
        state.withLock { state in
            if state.sending.removeValue(forKey: pin) == nil { state.lingering -= 1 }
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

    init(_ slot: Slot, of session: Session?, pace: ReaderPace? = nil) {
        self.slot = slot
        self.session = session
        self.pace = pace
        slot.readers.add(ObjectIdentifier(self), pace)
    }

    deinit {
        slot.readers.remove(ObjectIdentifier(self))
        session?.readerLetGo()
    }

    /// A further pin of the same slot, for a part of the same response.
    public func again() -> SlotPin { SlotPin(slot, of: session, pace: pace) }

    func paced(_ pace: ReaderPace) -> SlotPin { SlotPin(slot, of: session, pace: pace) }

    /// The last byte was sent: nobody uses the slot's mapping or descriptor by this pin any more.
    public func sent() {
        slot.readers.linger(ObjectIdentifier(self))
        session?.readerLetGo()
    }

    /// A reader may refer to the bytes even after this pin is gone: the file is not written again.
    public func abandoned() { slot.readers.abandon() }
}
