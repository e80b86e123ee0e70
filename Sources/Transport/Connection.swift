import CPlatform
import Glibc
import HTTPWire
import ServiceLimits

/// A socket and the engine that speaks its protocol.
///
/// It reads when the engine demands, keeps what the engine did not take, writes what the engine
/// hands out, and calls the engine at its deadlines. A connection that waits owns no buffer.
///
/// `@unchecked Sendable`: `engineLane` may be used from any thread; everything else is touched only
/// on the connection's lane.
final class Connection: EngineHost, @unchecked Sendable {
    enum Phase {
        /// The stream is being set up; there is no engine yet.
        case opening
        case open
        /// The write side is shut down, the engine is gone; what comes is dropped until the peer
        /// closes its side.
        case lingering
        /// The peer of a Unix socket has gone, but pages of a slice are still referred to.
        case holding
        case closed
    }

    let lane: Lane
    let fd: Int32
    var stream: any ByteStream
    /// What is waited for before `stream` is encrypted; nil for a plain one, and after that.
    var arrival: TLSArrival?
    var peer: Peer
    let token: Token
    var engine: (any WireEngine)?
    /// The engine that takes over when the call in progress returns.
    var successor: (any WireEngine)?
    var phase = Phase.opening

    // MARK: Input

    /// The peer has sent its last byte, and it was read.
    var inputEnded = false
    /// Bytes the engine has not taken, at most one receive buffer, from `keptStart` on.
    var kept: [UInt8] = []
    var keptStart = 0
    /// Bytes the engine has taken since the connection began.
    var takenBytes = 0
    private var lowWater: Int32 = 1

    // MARK: Output

    var output = Output()
    /// Pins of slices that were written whole by reference.
    var ledger = PinLedger()
    /// Output is left, or may be: wait until the socket takes bytes.
    var wantsWrite = false
    /// Whether the peer is keeping up with what is written.
    var writeWatch: WriteWatch?

    // MARK: Timers

    /// When opening, lingering or holding ends.
    var closeDeadline: Instant?
    /// When the pins of a Unix socket are looked at again.
    var pinCheck: Instant?
    /// The earliest entry of ours in the lane's timers.
    private var scheduled: Instant?

    private var interest: Interest = .read
    private var isWoken = false
    private var countsAsBody = false

    /// - Parameter tls: what the connection is to be encrypted with, if it is.
    init(lane: Lane, fd: Int32, tls: TLSContext?, peer: Peer, token: Token) {
        self.lane = lane
        self.fd = fd
        stream = PlainStream(fd: fd)
        arrival = tls.map(TLSArrival.init)
        self.peer = peer
        self.token = token
    }

    var isTCP: Bool { peer.place != .unixSocket }

    var takesDescriptors: Bool { !isTCP && lane.settings.takesDescriptors }

    func open() {
        if isTCP {
            // Answers are handed over whole: waiting to fill a segment would only delay them.
            infallible("setsockopt") {
                Socket.set(fd, level: Int32(IPPROTO_TCP), option: TCP_NODELAY, to: 1)
            }
            infallible("setsockopt") {
                Socket.set(
                    fd, level: Int32(IPPROTO_TCP), option: TCP_NOTSENT_LOWAT,
                    to: Int32(clamping: lane.settings.limits.unsentBytes))
            }
        }
        let now = Instant.now
        closeDeadline = now.advanced(by: lane.settings.limits.headTimeout)
        guard lane.poller.add(fd, interest, token) else { return drop() }
        continueOpening(now)
    }

    // MARK: EngineHost

    var engineLane: any EngineLane { lane }

    /// Only queues: an engine may call it from inside a call of ours.
    func wake() {
        guard phase == .open, !isWoken else { return }
        isWoken = true
        lane.queueWoken(self)
    }

    func handOver(to successor: any WireEngine) {
        self.successor = successor
    }

    // MARK: Turns

    /// The poller reports `events`.
    func ready(_ events: Interest, _ now: Instant) {
        let isBroken = !events.isDisjoint(with: .broken)
        switch phase {
        case .opening:
            continueOpening(now)
        case .open:
            if mayRead {
                if isBroken || !events.isDisjoint(with: stream.readInterest) { readInput(now) }
            } else if isBroken {
                // Nothing that is written arrives any more, and nothing is to be read.
                lose(Socket.takeError(fd))
            }
            checkPins(now)
            advance(now)
        case .lingering:
            if wantsWrite { endWriting() }
            if !inputEnded { discardInput() }
            settle()
        case .holding, .closed:
            break
        }
    }

    /// After `wake`: the engine may take what is kept, write, or want something else.
    func advanceWoken(_ now: Instant) {
        isWoken = false
        guard phase == .open else { return }
        // The reader that has to go may be one that takes nothing of what is being written.
        if engine?.isReset == true { return drop() }
        if !kept.isEmpty { offerKept(now) }
        if mayRead, stream.holdsInput { readInput(now) }
        advance(now)
    }

    func timerFired(_ instant: Instant, now: Instant) {
        guard scheduled == instant else { return }
        scheduled = nil
        checkPins(now)
        if phase == .open { checkWriting(now) }
        if phase == .open, let engine, let deadline = engine.deadline, deadline <= now {
            var unread = Socket.unreadBytes(fd) + kept.count - keptStart
            // A record that is still coming is progress of a body, whose rate is looked at. A head
            // has begun only when its first byte can be read.
            if engine.isReceivingBody { unread += stream.incompleteBytes }
            engine.timeExpired(now: now, unreadBytes: unread)
        }
        if let closeDeadline, closeDeadline <= now {
            phase == .opening ? closeOpening() : close()
        }
        advance(now)
    }

    func beginShutdown(_ now: Instant) {
        if phase == .opening { closeOpening() }
        guard phase == .open else { return }
        engine?.beginShutdown(now: now)
        advance(now)
    }

    func endGrace(_ now: Instant, until end: Instant) {
        guard phase == .open else { return }
        engine?.endGrace(now: now, until: end)
        advance(now)
    }

    /// Writes what there is, and lets the engine take what it did not while it was writing.
    func advance(_ now: Instant) {
        var rounds = 0
        while phase == .open {
            writeOutput(now)
            guard phase == .open, !kept.isEmpty, !wantsWrite, let engine,
                engine.readDemand != .none
            else { break }
            // A receive buffer holds thousands of pipelined requests: the others' turn first.
            guard rounds < 64 else {
                wake()
                break
            }
            guard offerKept(now) > 0 else { break }
            rounds += 1
        }
        settle()
    }

    // MARK: After each turn

    /// Brings the poller, the socket's low-water mark, the timers and the lane's load up to date.
    func settle() {
        switch phase {
        case .opening, .open, .lingering:
            let engine = engine
            let demand = inputEnded ? .none : engine?.readDemand ?? .none
            let mayRead = kept.isEmpty && demand != .none
            updateInterest(mayRead: mayRead)
            updateLowWater(demand)
            schedule(engine?.deadline)
            // The poller tells only of what is in the socket.
            if mayRead, stream.holdsInput { wake() }
        case .holding:
            schedule(nil)
        case .closed:
            break
        }
        countBody(engine?.isReceivingBody ?? false)
    }

    var mayRead: Bool {
        guard !inputEnded, kept.isEmpty, let engine else { return false }
        return engine.readDemand != .none
    }

    private func updateInterest(mayRead: Bool) {
        var wanted: Interest = []
        if phase == .opening || mayRead { wanted.formUnion(stream.readInterest) }
        if phase == .lingering, !inputEnded { wanted.insert(.read) }
        if wantsWrite { wanted.formUnion(stream.writeInterest) }
        guard wanted != interest else { return }
        interest = wanted
        lane.poller.change(fd, wanted, token)
    }

    /// Fewer wake-ups for the same bytes: the kernel waits until as many are there as the engine
    /// wants. The engine never wants more than what is left, for TCP would wait for ever (an end
    /// or a reset wakes at any mark). A Unix socket ignores the mark, and under TLS other bytes
    /// are in the socket than the engine gets.
    private func updateLowWater(_ demand: ReadDemand) {
        guard isTCP, stream.isPlain || lowWater > 1 else { return }
        var wanted: Int32 = 1
        if let arrival {
            wanted = max(1, Int32(arrival.lowWater))
        } else if stream.isPlain, phase == .open, !inputEnded {
            guard case .bytes(let atLeast) = demand else { return }
            wanted = Int32(min(max(atLeast, 1), lane.buffer.count))
        }
        guard wanted != lowWater else { return }
        lowWater = wanted
        infallible("setsockopt") {
            Socket.set(fd, level: SOL_SOCKET, option: SO_RCVLOWAT, to: wanted)
        }
    }

    /// Whether a timer's entry is the one that this connection waits for.
    func isScheduled(at instant: Instant) -> Bool { scheduled == instant }

    private func schedule(_ engineDeadline: Instant?) {
        var earliest = engineDeadline
        if let check = writeWatch?.check { earliest = min(earliest ?? check, check) }
        if let closeDeadline { earliest = min(earliest ?? closeDeadline, closeDeadline) }
        if let pinCheck { earliest = min(earliest ?? pinCheck, pinCheck) }
        guard let wanted = earliest else { return }
        if let scheduled, scheduled <= wanted { return }
        scheduled = wanted
        lane.schedule(token, at: wanted)
    }

    func countBody(_ isReceiving: Bool) {
        guard isReceiving != countsAsBody else { return }
        countsAsBody = isReceiving
        if isReceiving { lane.load.addBody() } else { lane.load.removeBody() }
    }
}
