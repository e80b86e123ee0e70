import CPlatform
import Glibc
import HTTPWire
import Logging
import ServiceLimits

/// Accepts on one lane and hands each connection to the least busy one.
///
/// Without descriptors or memory it stops listening for `pause` instead of failing in a loop: the
/// kernel's backlog keeps the clients waiting meanwhile, and whoever in the process gives back a
/// descriptor helps.
///
/// `@unchecked Sendable`: made by one thread, then touched only on the lane `home`.
final class Acceptor: @unchecked Sendable {
    private static let pause = Duration.milliseconds(100)
    /// Connections taken in one turn, so that a flood leaves time for those that are there.
    private static let batch = 64

    private let listeners: [Listener]
    private let lanes: [Lane]
    private unowned let home: Lane
    private var isPaused = false

    init(listeners: [Listener], lanes: [Lane], home: Lane) {
        self.listeners = listeners
        self.lanes = lanes
        self.home = home
    }

    func watch() {
        for (index, listener) in listeners.enumerated() {
            precondition(
                home.poller.add(listener.fd, .read, .listener(index)), "a listener is not watched")
        }
    }

    func accept(from index: Int) {
        for _ in 0..<Self.batch where !isPaused {
            guard acceptOne(listeners[index]) else { return }
        }
    }

    /// Listens again after a pause.
    func resume() {
        isPaused = false
        setInterest(.read)
    }

    /// False when nobody waits.
    private func acceptOne(_ listener: Listener) -> Bool {
        var outcome = SystemOutcome.again
        let address = SocketAddress { pointer, length in
            outcome = systemCall { Int(platform_accept(listener.fd, pointer, length)) }
        }
        switch outcome {
        case .done(let fd):
            hand(Int32(fd), listener, peer: address.peer)
            return true
        case .again:
            return false
        case .failed(let code) where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code):
            rest(after: code)
            return false
        case .failed:
            // The connection died in the queue (accept(2) lists the errors of its network).
            return true
        }
    }

    private func hand(_ fd: Int32, _ listener: Listener, peer: Peer) {
        let open = lanes.reduce(0) { $0 + $1.load.connections }
        guard open < home.settings.limits.connections else {
            close(fd)
            return
        }
        var choice = home
        for lane in lanes where lane.load.isLighter(than: choice.load) { choice = lane }
        // Counted here, so that the next connection of this turn sees it.
        choice.load.addConnection()
        let peer = listener.address.isUnix ? .unixSocket : peer
        let tls = listener.address.isEncrypted ? home.settings.tls?.context : nil
        if choice === home {
            home.adopt(fd, peer: peer, tls: tls)
        } else {
            choice.post { [choice] in choice.adopt(fd, peer: peer, tls: tls) }
        }
    }

    private func rest(after code: Int32) {
        home.settings.logger.info(
            "no descriptors for new connections; they wait",
            metadata: ["reason": "\(describe(code))"])
        isPaused = true
        setInterest([])
        home.schedule(.acceptAgain, at: .now.advanced(by: Self.pause))
    }

    private func setInterest(_ interest: Interest) {
        for (index, listener) in listeners.enumerated() {
            home.poller.change(listener.fd, interest, .listener(index))
        }
    }
}

extension LaneLoad {
    fileprivate func isLighter(than other: LaneLoad) -> Bool {
        (bodies, connections) < (other.bodies, other.connections)
    }
}

extension ListenAddress {
    fileprivate var isUnix: Bool {
        if case .unix = self { true } else { false }
    }
}
