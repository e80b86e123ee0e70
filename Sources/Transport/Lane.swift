import Glibc
import HTTPWire
import Logging
import ServiceLimits
import Synchronization

/// One event loop on a thread of its own, and the connections that live on it.
///
/// A turn of the loop: events of the poller, deadlines that have passed, mail from other threads,
/// connections that were woken. Nothing in it blocks, and each connection gets at most
/// `turnBytes` read and as many written in a turn; the poller is level-triggered, so what is left
/// comes up again in the next turn, after everybody else's.
///
/// `@unchecked Sendable`: `mailbox`, `hasMail`, `load` and `isCurrent` may be used from any thread;
/// everything else is touched only on the lane's own thread, once that runs.
final class Lane: EngineLane, @unchecked Sendable {
    /// What is read from, and what is written to, one connection before the others' turn.
    static let turnBytes = 1024 * 1024
    /// A turn that moves as many belongs to a large transfer.
    private static let bulkBytes = 32 * 1024

    let settings: LaneSettings
    let load = LaneLoad()
    let mailbox = Mutex(Mailbox())
    /// Whether there is mail, to be seen without taking the lock at every turn.
    let hasMail = Atomic<Bool>(false)
    let poller: Poller
    /// Bytes from any socket of the lane land here; valid until the next read. One for all, so
    /// that an idle connection has none, and hot in cache.
    let buffer: UnsafeMutableRawBufferPointer
    /// The thread's id once it runs; 0 before and after.
    private let thread = Atomic<UInt>(0)

    private var slots: [Connection?] = []
    private var generations: [UInt32] = []
    private var freeSlots: [Int] = []
    private var timers = Timers()
    private var woken: [Connection] = []
    private var acceptor: Acceptor?
    /// Bytes that connections have read and written in this turn.
    var movedBytes = 0
    /// Nil until the service stops.
    private var stop: StopTimes?
    /// What was unfinished has been refused.
    private var isGraceOver = false

    init(_ settings: LaneSettings) throws(TransportError) {
        self.settings = settings
        poller = try Poller(busyPoll: .microseconds(settings.limits.busyPollMicroseconds))
        buffer = .allocate(byteCount: settings.limits.receiveBytes, alignment: 4096)
        // Touched now, so that the first uploads do not pay for the page faults.
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit {
        buffer.deallocate()
    }

    /// Starts the thread, which keeps the lane alive until `beginShutdown` has run its course.
    func start() throws(TransportError) {
        var id = pthread_t()
        let lane = Unmanaged.passRetained(self)
        let code = pthread_create(&id, nil, runLane, lane.toOpaque())
        guard code == 0 else {
            lane.release()
            throw .noResources(call: "pthread_create", reason: describe(code))
        }
        pthread_detach(id)
    }

    /// Whether the caller runs on this lane.
    var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    var isStopping: Bool { stop != nil }

    // MARK: The loop

    fileprivate func run() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        var now = Instant.now
        while stop == nil || load.connections > 0 {
            let isBulk = movedBytes >= Lane.bulkBytes
            movedBytes = 0
            let count = poller.wait(timeout: waitMilliseconds(now), isBulk: isBulk)
            // Looked at once in a turn, whose length no deadline has to be kept to.
            now = .now
            for index in 0..<count {
                let (token, events) = poller.event(index)
                dispatch(token, events, now)
            }
            fireTimers(now)
            runMail()
            advanceWoken(now)
        }
        closeMailbox()
        thread.store(0, ordering: .relaxed)
        settings.didEnd()
    }

    private func waitMilliseconds(_ now: Instant) -> Int32 {
        if !woken.isEmpty || hasMail.load(ordering: .relaxed) { return 0 }
        guard let instant = timers.earliest else { return -1 }
        return now.duration(to: instant).waitMilliseconds
    }

    private func dispatch(_ token: Token, _ events: Interest, _ now: Instant) {
        if token == .mailbox {
            poller.clearWake()
        } else if let index = token.listenerIndex {
            acceptor?.accept(from: index)
        } else {
            connection(token)?.ready(events, now)
        }
    }

    private func fireTimers(_ now: Instant) {
        for due in timers.takeDue(at: now) {
            if due.token == .stop {
                goOnStopping(at: now)
            } else if due.token == .acceptAgain {
                acceptor?.resume()
            } else {
                connection(due.token)?.timerFired(due.instant, now: now)
            }
        }
    }

    private func advanceWoken(_ now: Instant) {
        guard !woken.isEmpty else { return }
        let batch = woken
        woken.removeAll(keepingCapacity: true)
        for connection in batch { connection.advanceWoken(now) }
    }

    // MARK: What connections and the acceptor ask for

    func schedule(_ token: Token, at instant: Instant) {
        timers.add(token, at: instant)
        timers.sweepIfDue { entry in
            !entry.token.isConnection
                || connection(entry.token)?.isScheduled(at: entry.instant) == true
        }
    }

    /// Has the connection's turn at the end of this turn of the loop, or of the next.
    func queueWoken(_ connection: Connection) {
        woken.append(connection)
    }

    /// Takes over a connected socket that `load` already counts.
    ///
    /// - Parameter tls: what it is encrypted with, if it is.
    func adopt(_ fd: Int32, peer: Peer, tls: TLSContext?) {
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count {
            slots.append(nil)
            generations.append(0)
        }
        let token = Token.connection(slot: slot, generation: generations[slot])
        let connection = Connection(lane: self, fd: fd, tls: tls, peer: peer, token: token)
        slots[slot] = connection
        connection.open()
    }

    /// Forgets a connection; events of this turn that still name it lead nowhere.
    func remove(_ token: Token) {
        slots[token.slot] = nil
        let generation = generations[token.slot]
        generations[token.slot] = generation == Token.lastGeneration ? 0 : generation + 1
        freeSlots.append(token.slot)
        load.removeConnection()
    }

    private func connection(_ token: Token) -> Connection? {
        guard token.slot < slots.count, let connection = slots[token.slot],
            connection.token == token
        else { return nil }
        return connection
    }

    // MARK: Start and end

    func startAccepting(_ acceptor: Acceptor) {
        guard !isStopping else { return }
        self.acceptor = acceptor
        acceptor.watch()
    }

    /// Stops accepting, lets each engine finish what it has begun, until `times` come, then ends
    /// the thread. Called again, it can only bring the times forward.
    func beginShutdown(_ times: StopTimes) {
        acceptor = nil
        let isFirst = stop == nil
        if let stop, stop.end <= times.end { return }
        stop = times
        timers.add(.stop, at: times.graceEnd)
        timers.add(.stop, at: times.end)
        guard isFirst else { return }
        let now = Instant.now
        for connection in slots { connection?.beginShutdown(now) }
    }

    private func goOnStopping(at now: Instant) {
        guard var times = stop, times.graceEnd <= now else { return }
        let endsGrace = !isGraceOver
        if endsGrace {
            isGraceOver = true
            // Clients have their time to take the refusal, though this thread may have got none at
            // the grace's end.
            times.end = now + (times.end - times.graceEnd)
            stop = times
            timers.add(.stop, at: times.end)
        }
        if times.end <= now {
            for connection in slots { connection?.drop() }
        } else if endsGrace {
            for connection in slots { connection?.endGrace(now, until: times.end) }
        }
    }
}

/// When a lane that stops goes on with it.
struct StopTimes {
    /// What is unfinished then is refused.
    let graceEnd: Instant
    /// The connections that are left then are reset.
    var end: Instant
}

/// What all lanes of a server share.
struct LaneSettings: Sendable {
    let limits: Limits
    let logger: Logger
    let makeEngine: Server.EngineFactory
    /// Whether open files that Unix peers pass go to the engines; else the kernel closes them.
    let takesDescriptors: Bool
    /// For listeners under TLS; nil when there is none.
    let tls: TLSIdentity?
    /// Called by each lane's thread as the last thing it does.
    let didEnd: @Sendable () -> Void
}

/// How busy a lane is, for handing out connections. From any thread.
final class LaneLoad: Sendable {
    private let connectionCount = Atomic(0)
    private let bodyCount = Atomic(0)

    var connections: Int { connectionCount.load(ordering: .relaxed) }
    var bodies: Int { bodyCount.load(ordering: .relaxed) }

    func addConnection() { connectionCount.add(1, ordering: .relaxed) }
    func removeConnection() { connectionCount.subtract(1, ordering: .relaxed) }
    func addBody() { bodyCount.add(1, ordering: .relaxed) }
    func removeBody() { bodyCount.subtract(1, ordering: .relaxed) }
}

private func runLane(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<Lane>.fromOpaque(context).takeRetainedValue().run()
    return nil
}
