import CPlatform
import Glibc
import HTTPWire

/// What an event is about: a connection's slot with its generation, or one of a lane's own.
struct Token: Equatable {
    let raw: UInt64

    static let mailbox = Token(raw: 1 << 63)
    static let stop = Token(raw: 1 << 63 | 1)
    static let acceptAgain = Token(raw: 1 << 63 | 2)

    static func listener(_ index: Int) -> Token {
        Token(raw: 1 << 62 | UInt64(index))
    }

    static func connection(slot: Int, generation: UInt32) -> Token {
        Token(raw: UInt64(generation) << 32 | UInt64(slot))
    }

    init(raw: UInt64) {
        self.raw = raw
    }

    var listenerIndex: Int? { raw >> 62 == 1 ? Int(raw & 0xFFFF_FFFF) : nil }
    var isConnection: Bool { raw >> 62 == 0 }
    var slot: Int { Int(raw & 0xFFFF_FFFF) }
    /// The greatest generation; above it are the lane's own tokens.
    static let lastGeneration: UInt32 = 1 << 30 - 1
}

/// The events a connection waits for, or got.
struct Interest: OptionSet {
    let rawValue: UInt32

    static let read = Interest(rawValue: EPOLLIN.rawValue)
    static let write = Interest(rawValue: EPOLLOUT.rawValue)
    /// Reported whether asked for or not: an error, or both directions are closed.
    static let broken = Interest(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
}

/// A level-triggered epoll descriptor and the eventfd that interrupts its wait.
///
/// `@unchecked Sendable`: `wake` may be called from any thread, everything else, the event buffer
/// above all, only on the lane that owns the poller.
final class Poller: @unchecked Sendable {
    private let fd: Int32
    private let wakeFd: Int32
    /// More than this wait for the next turn, so that mail and deadlines have theirs.
    private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)

    private let busyPoll: Duration
    /// The last wait during bulk transfer ended within `busyPoll`.
    private var wasShort = false

    /// - Parameter busyPoll: how long `wait` may look for events before it sleeps.
    init(busyPoll: Duration) throws(TransportError) {
        let fd = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard fd >= 0 else { throw .noResources(call: "epoll_create1", reason: describe(errno)) }
        let wakeFd = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeFd >= 0 else {
            let code = errno
            close(fd)
            events.deallocate()
            throw .noResources(call: "eventfd", reason: describe(code))
        }
        self.fd = fd
        self.wakeFd = wakeFd
        self.busyPoll = busyPoll
        events.initialize(repeating: epoll_event())
        guard add(wakeFd, .read, .mailbox) else {
            throw .noResources(call: "epoll_ctl", reason: describe(errno))
        }
    }

    deinit {
        close(fd)
        close(wakeFd)
        events.deallocate()
    }

    /// Makes the wait in progress, or the next one, return. From any thread.
    func wake() {
        var one: UInt64 = 1
        // EAGAIN: the counter is full, so a wake-up is due anyway.
        _ = systemCall { write(wakeFd, &one, 8) }
    }

    func clearWake() {
        var count: UInt64 = 0
        _ = systemCall { read(wakeFd, &count, 8) }
    }

    /// False when the kernel has no room for another watch.
    func add(_ target: Int32, _ interest: Interest, _ token: Token) -> Bool {
        if case .done = control(EPOLL_CTL_ADD, target, interest, token) { return true }
        return false
    }

    func change(_ target: Int32, _ interest: Interest, _ token: Token) {
        if case .failed(let code) = control(EPOLL_CTL_MOD, target, interest, token) {
            preconditionFailure("epoll_ctl: \(describe(code))")
        }
    }

    func remove(_ target: Int32) {
        _ = control(EPOLL_CTL_DEL, target, [], .mailbox)
    }

    /// Waits at most `timeout` milliseconds (-1: without end).
    ///
    /// - Parameter isBulk: whether large transfers are under way, whose next bytes may be worth
    ///   looking for.
    /// - Returns: how many events there are now.
    func wait(timeout: Int32, isBulk: Bool) -> Int {
        let count = isBulk && timeout != 0 ? pollBusily(timeout) : poll(timeout)
        guard count > 0 else {
            // An interrupted wait is a turn without events: the caller looks at its clock again.
            precondition(count == 0 || errno == EINTR, "epoll_wait: \(describe(errno))")
            return 0
        }
        return Int(count)
    }

    /// One of the events that the last wait brought.
    func event(_ index: Int) -> (token: Token, events: Interest) {
        (Token(raw: events[index].data.u64), Interest(rawValue: events[index].events))
    }

    private func poll(_ timeout: Int32) -> Int32 {
        epoll_wait(fd, events.baseAddress, Int32(events.count), timeout)
    }

    /// Sleeps only when nothing came within `busyPoll`, and at once if nothing did last time.
    private func pollBusily(_ timeout: Int32) -> Int32 {
        let end = Instant.now.advanced(by: busyPoll)
        var count: Int32 = 0
        if wasShort {
            repeat {
                count = poll(0)
                // The sender may want this very processor.
                if count == 0 { sched_yield() }
            } while count == 0 && Instant.now < end
        }
        if count == 0 { count = poll(timeout) }
        wasShort = Instant.now < end
        return count
    }

    private func control(
        _ operation: Int32, _ target: Int32, _ interest: Interest, _ token: Token
    ) -> SystemOutcome {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = token.raw
        return systemCall { Int(epoll_ctl(fd, operation, target, &event)) }
    }
}
