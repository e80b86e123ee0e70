import Dispatch
import HTTPWire
import TestSupport

extension EngineHost {
    /// Runs `work` on the connection's lane.
    func onLane(_ work: @escaping @Sendable () -> Void) { engineLane.post(work) }
    /// Whether the caller runs on the connection's lane.
    var isOnLane: Bool { engineLane.isCurrent }
}

/// What every toy needs: a queue of output and the engine's book-keeping.
class ToyEngine: WireEngine {
    let host: any EngineHost
    var queue: [EngineOutput] = []
    var readDemand = ReadDemand.bytes(atLeast: 1)
    var deadline: Instant?
    var isReceivingBody = false
    var isReset = false
    var acknowledgedAnswers = 0
    private(set) var disconnects = 0
    /// Told of each `disconnected`.
    let ends: Tally

    init(_ host: any EngineHost, ends: Tally = Tally()) {
        self.host = host
        self.ends = ends
    }

    func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        bytes.count
    }
    func receiveEnd(now: Instant) { queue.append(.close) }
    func disconnected() {
        disconnects += 1
        precondition(disconnects == 1 && host.isOnLane)
        ends.add()
    }
    func nextOutput(now: Instant) -> EngineOutput {
        queue.isEmpty ? .nothing : queue.removeFirst()
    }
    func timeExpired(now: Instant, unreadBytes: Int) {}
    func beginShutdown(now: Instant) { queue.append(.close) }
    func endGrace(now: Instant, until end: Instant) {}
}

/// Sends back what comes; does not read while a megabyte waits to be written.
final class EchoEngine: ToyEngine {
    private var queued = 0

    override func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        queue.append(.bytes([UInt8](bytes)))
        queued += bytes.count
        if queued > 1 << 20 { readDemand = .none }
        return bytes.count
    }

    override func nextOutput(now: Instant) -> EngineOutput {
        let output = super.nextOutput(now: now)
        if case .bytes(let bytes) = output { queued -= bytes.count }
        if queued <= 1 << 20 { readDemand = .bytes(atLeast: 1) }
        return output
    }
}

/// Takes a random number of bytes at a time and then pauses until another thread has it go on;
/// gathers what it took.
///
/// `@unchecked Sendable`: crosses threads only as a reference that comes back to its lane.
final class PausingEngine: ToyEngine, @unchecked Sendable {
    private var random: SplitMix
    private let gathered: Gathered

    init(_ host: any EngineHost, seed: UInt64, gathered: Gathered) {
        random = SplitMix(seed: seed)
        self.gathered = gathered
        super.init(host)
    }

    override func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        let taken = Int.random(in: 0...min(bytes.count, 40_000), using: &random)
        gathered.append(bytes[..<taken])
        guard taken < bytes.count else { return taken }
        readDemand = .none
        let host = host
        DispatchQueue.global().async {
            host.onLane {
                self.readDemand = .bytes(atLeast: 1)
                host.wake()
            }
        }
        return taken
    }

    override func receiveEnd(now: Instant) {
        gathered.end()
        queue.append(.close)
    }
}

/// Bytes from a lane for a test to look at.
final class Gathered: Sendable {
    private let state = Guarded((bytes: [UInt8](), isEnded: false))
    let calls = Tally()

    func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        state.withLock { $0.bytes.append(contentsOf: bytes) }
        calls.add()
    }
    func end() { state.withLock { $0.isEnded = true } }
    var isEnded: Bool { state.withLock { $0.isEnded } }
    var bytes: [UInt8] { state.withLock { $0.bytes } }
}

/// Reads lines and answers each as `answer` says; a line that comes after the last answer was
/// handed out acknowledges it.
///
/// `@unchecked Sendable`: crosses threads only as a reference that comes back to its lane.
final class LineEngine: ToyEngine, @unchecked Sendable {
    private var line: [UInt8] = []
    private var hasAnswered = false
    /// Nothing is read while an answer is written.
    var readsWhileAnswering = true
    private let answer: (String, LineEngine) -> [EngineOutput]
    /// Told each time there is nothing left to write after an answer.
    private let drained: Tally

    init(
        _ host: any EngineHost, ends: Tally = Tally(), drained: Tally = Tally(),
        answer: @escaping (String, LineEngine) -> [EngineOutput]
    ) {
        self.answer = answer
        self.drained = drained
        super.init(host, ends: ends)
    }

    override func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        for byte in bytes {
            guard byte == 0x0A else {
                line.append(byte)
                continue
            }
            if hasAnswered, queue.isEmpty { acknowledgedAnswers += 1 }
            hasAnswered = false
            if !readsWhileAnswering { readDemand = .none }
            queue += answer(String(decoding: line, as: UTF8.self), self)
            line = []
        }
        return bytes.count
    }

    override func nextOutput(now: Instant) -> EngineOutput {
        let output = super.nextOutput(now: now)
        if case .nothing = output, !hasAnswered {
            hasAnswered = true
            if !readsWhileAnswering { readDemand = .bytes(atLeast: 1) }
            drained.add()
        }
        return output
    }
}
