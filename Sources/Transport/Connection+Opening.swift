import HTTPWire
import Logging

extension Connection {
    /// Goes on with the stream's handshake, after which the engine is made.
    ///
    /// It is bounded like a request's head, by `Limits.headTimeout`.
    func continueOpening(_ now: Instant) {
        if var arrival {
            let hasCome = arrival.hasCome(fd)
            self.arrival = hasCome ? nil : arrival
            guard hasCome else { return settle() }
            stream = TLSStream(fd: fd, context: arrival.context)
        }
        switch stream.handshake() {
        case .done(let agreement):
            begin(agreement, now)
        case .again:
            settle()
        case .foreign:
            lane.settings.logger.debug("refusing a client that does not speak TLS")
            HTTP1Engine.refusalOfPlainText.withUnsafeBytes { refusal in
                // The socket is empty, so it takes all of it.
                _ = PlainStream(fd: fd).write(refusal)
            }
            beginLinger(now)
            settle()
        case .failed(let code, let reason):
            lane.settings.logger.debug(
                "a TLS handshake failed", metadata: ["reason": "\(reason)"])
            lose(code)
            settle()
        }
    }

    /// Gives up a peer that has not come so far. What it sent is taken out of the socket first, for
    /// it would see a reset otherwise.
    func closeOpening() {
        discardInput()
        close()
    }

    private func begin(_ agreement: Agreement, _ now: Instant) {
        peer.isEncrypted = agreement.isEncrypted
        peer.certificateNames = agreement.certificateNames
        peer.applicationProtocol = agreement.applicationProtocol
        closeDeadline = nil
        phase = .open
        engine = lane.settings.makeEngine(self, peer, now)
        if mayRead, stream.holdsInput { readInput(now) }
        advance(now)
    }
}
