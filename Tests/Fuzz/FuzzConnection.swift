import HTTPWire
import ServiceLimits

/// One connection with a transport without a socket and without time, which keeps to what
/// `WireEngine` says of it.
final class FuzzConnection {
    private let host = FakeHost()
    let handler = FuzzHandler()
    private var engine: any WireEngine
    private var now = Instant(nanoseconds: 0)
    /// What was written; a slice as so many zeros.
    private(set) var written: [UInt8] = []
    /// Where the output of the engine that took over begins.
    private(set) var handOver: Int?
    private(set) var hasEnded = false
    private(set) var kept: [UInt8] = []
    /// Outputs are only asked for while set.
    var canWrite = true
    private var hasGraceEnded = false

    init(limits: Limits) {
        engine = HTTP1Engine(
            limits: limits, handler: handler, host: host, peer: .loopback, now: now)
    }

    func send(_ bytes: [UInt8]) {
        kept += bytes
        settle()
        offer()
    }

    func sendEnd() {
        guard kept.isEmpty, !hasEnded else { return }
        engine.receiveEnd(now: now)
        settle()
    }

    func shutDown() {
        guard !hasEnded else { return }
        engine.beginShutdown(now: now)
        settle()
    }

    /// The grace of a shutdown is over, and two seconds are left; a shutdown that is called again
    /// may say so again.
    func endGrace() {
        shutDown()
        guard !hasEnded else { return }
        hasGraceEnded = true
        engine.endGrace(now: now, until: now.advanced(by: .seconds(2)))
        settle()
        offer()
    }

    /// Time goes by, to the engine's next deadline.
    ///
    /// - Returns: false when the engine has none.
    func passTime() -> Bool {
        guard !hasEnded, let deadline = engine.deadline else { return false }
        now = max(now, deadline)
        engine.timeExpired(now: now, unreadBytes: 0)
        settle()
        offer()
        return true
    }

    func disconnect() {
        engine.disconnected()
        let work = host.queue.work
        host.queue.work = []
        for item in work { item() }
        handler.expectEnded()
    }

    /// Offers what is kept as long as some of it is taken.
    private func offer() {
        while !kept.isEmpty, !hasEnded, engine.readDemand != .none {
            let taken = Array(kept).withUnsafeBytes { engine.receive($0, now: now) }
            expect(taken >= 0 && taken <= kept.count, "\(taken) of \(kept.count) taken")
            kept.removeFirst(taken)
            if let successor = host.successor {
                host.successor = nil
                engine.disconnected()
                engine = successor
                handOver = written.count
            } else if taken == 0, !host.isWoken {
                return settle()
            }
            settle()
        }
    }

    /// Runs until nothing more happens.
    private func settle() {
        repeat {
            host.isWoken = false
            write()
            let work = host.queue.work
            host.queue.work = []
            for item in work { item() }
        } while host.isWoken || !host.queue.work.isEmpty
        expect(!hasGraceEnded || !engine.isReceivingBody, "a body is received after the grace")
    }

    private func write() {
        while canWrite, !hasEnded {
            switch engine.nextOutput(now: now) {
            case .bytes(let bytes): written += bytes
            case .slice(let slice): written += repeatElement(0, count: slice.count)
            case .pieces(let pieces):
                for piece in pieces {
                    switch piece {
                    case .bytes(let bytes): written += bytes
                    case .slice(let slice): written += repeatElement(0, count: slice.count)
                    }
                }
            case .nothing: return
            case .close, .closeAfterLinger, .reset: hasEnded = true
            }
        }
    }
}
