import CPlatform
import Glibc
import HTTPWire
import ServiceLimits

/// How connections end, and what becomes of the pins of slices that were sent by reference.
///
/// A pin is let go of — the file may be written again — when one of these shows that nobody refers
/// to the file's pages through our socket any more:
/// - over TCP, the engine counts a later request that was sent after the slice's last byte;
/// - over TCP, the peer reset the connection (closing a socket purges what it had not read);
/// - over TCP, the peer ended its side after the slice's last byte was written, and its kernel had
///   everything by then. A reader that half-closes at just that time, and reads later, would be
///   believed wrongly: slices that fit into a socket's buffers are better sent with
///   `Transfer.copy`. One that has half-closed before an answer begins gets copies;
/// - over a Unix socket, `SIOCOUTQ` is 0: there it counts what the peer has not read.
///
/// Without such proof the socket is kept, with its write side shut down, until the peer ends its
/// side or `Limits.linger` has passed. Then, and at once when the connection is reset or the
/// service stops, the pin is `abandoned`: the peer's socket buffer may refer to the pages even
/// after ours is closed, for as long as the peer likes.
extension Connection {
    /// How often the pins of a Unix socket are looked at, beyond the connection's events.
    private static let pinCheckInterval = Duration.milliseconds(250)

    /// The engine is done and everything is written: close in order.
    func finish(_ now: Instant) {
        let canLearnMore = !isTCP || !inputEnded
        if !stream.endWriting() || (pinsAreUnproven && canLearnMore && !lane.isStopping) {
            beginLinger(now)
        } else {
            close()
        }
    }

    /// Shuts the write side down and drops what comes until the peer ends its side: a plain close
    /// with bytes unread would reset the connection and destroy the answer on its way.
    func beginLinger(_ now: Instant) {
        let isTold = stream.endWriting()
        guard !inputEnded || !isTold || (!isTCP && pinsAreUnproven) else { return close() }
        endEngine()
        closeDeadline = now.advanced(by: lane.settings.limits.linger)
        phase = .lingering
        endWriting()
        if inputEnded, isTold { hold(now) }
    }

    /// Ends the write side as soon as the stream's own end is in the socket.
    func endWriting() {
        wantsWrite = !stream.endWriting()
        guard !wantsWrite else { return }
        if inputEnded, isTCP { return close() }
        shutdown(fd, Int32(SHUT_WR))
    }

    /// The connection is broken: reset by the peer, or an error of the network.
    func lose(_ code: Int32) {
        guard phase != .closed else { return }
        retireSliceInFlight()
        if isTCP, code == ECONNRESET || code == EPIPE { ledger.release() }
        // The peer broke the stream's protocol: it is told why before the end.
        if code == EPROTO { return beginLinger(.now) }
        // A slice's file failed, not the peer: it must see that the answer was cut.
        if code == EIO { return drop() }
        close()
    }

    /// Ends the connection so that a cut answer cannot pass for a whole one.
    func drop() {
        guard phase != .closed else { return }
        retireSliceInFlight()
        if pinsAreUnproven { ledger.abandon() } else { ledger.release() }
        leave { Socket.reset(fd) }
    }

    /// Ends the connection; a Unix socket with pages still referred to is held first.
    func close() {
        guard phase != .closed else { return }
        retireSliceInFlight()
        let now = Instant.now
        if pinsAreUnproven {
            let mayWait = closeDeadline.map { now < $0 } ?? true
            if !isTCP, !lane.isStopping, mayWait { return hold(now) }
            ledger.abandon()
        }
        ledger.release()
        leave { _ = Glibc.close(fd) }
    }

    /// The peer's end of input was read.
    func endInput() {
        inputEnded = true
        guard isTCP else { return }
        // Our own end of stream counts as one until it is acknowledged.
        let ownEnd = phase == .lingering ? 1 : 0
        if Socket.unsentBytes(fd) <= ownEnd { ledger.peerEnded() }
        output.slice?.isCopied = true
    }

    /// Lets go of a Unix socket's pins when its queue is empty.
    func checkPins(_ now: Instant) {
        guard !isTCP, !ledger.isEmpty else {
            pinCheck = nil
            return
        }
        if pinsAreUnproven {
            pinCheck = now.advanced(by: Self.pinCheckInterval)
        } else {
            ledger.release()
            pinCheck = nil
            if phase == .holding { close() }
        }
    }

    private var pinsAreUnproven: Bool {
        guard !ledger.isEmpty else { return false }
        return isTCP || Socket.unsentBytes(fd) > 0
    }

    /// Waits for a Unix peer's kernel to drop what the peer had not read. The poller would report
    /// the broken socket in every turn.
    private func hold(_ now: Instant) {
        guard phase != .holding else { return settle() }
        endEngine()
        lane.poller.remove(fd)
        closeDeadline = closeDeadline ?? now.advanced(by: lane.settings.limits.linger)
        phase = .holding
        checkPins(now)
        settle()
    }

    /// A slice that was cut is referred to like a whole one.
    private func retireSliceInFlight() {
        if let flight = output.slice, flight.wasReferred {
            flight.slice.pin.sent()
            ledger.holdUnproven(flight.slice.pin)
        }
        output = Output()
    }

    private func leave(_ closeSocket: () -> Void) {
        phase = .closed
        closeDeadline = nil
        closeSocket()
        lane.remove(token)
        endEngine()
    }

    /// The engine's last call, whoever ended the connection.
    private func endEngine() {
        kept = []
        keptStart = 0
        writeWatch = nil
        wantsWrite = false
        countBody(false)
        let engine = engine
        self.engine = nil
        successor = nil
        engine?.disconnected()
    }
}
