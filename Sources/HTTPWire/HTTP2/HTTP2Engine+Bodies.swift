import CNGHTTP2
import ServiceLimits

extension HTTP2Engine {
    /// Bytes of a request's body came.
    func receiveData(stream id: Int32, _ bytes: UnsafeRawBufferPointer) {
        guard let stream = session.stream(id) else { return session.consumeConnection(bytes.count) }
        stream.mayAwaitContinue = false
        stream.clock.received(bytes.count, now: now)
        if let remaining = stream.remaining { stream.remaining = remaining - bytes.count }
        switch stream.delivery {
        case .pushing:
            let taken = push(stream, bytes)
            session.consume(stream: id, taken)
            if taken < bytes.count {
                stream.kept = [UInt8](bytes[taken...])
                stream.keptStart = 0
            }
        case .paused:
            stream.kept.append(contentsOf: bytes)
        case .dropping:
            drop(stream, bytes.count)
        }
        updateClock(stream)
    }

    /// Gives bytes to the sink.
    ///
    /// - Returns: how many were taken; when fewer than came, the body is paused.
    private func push(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let sink = stream.sink else { return bytes.count }
        let taken = sink.receive(bytes)
        precondition(taken >= 0 && taken <= bytes.count, "a sink took what it was not given")
        guard taken < bytes.count else { return taken }
        // An answer that the sink gave meanwhile has let go of it: the rest is dropped.
        guard stream.sink != nil else { return bytes.count }
        stream.delivery = .paused
        return taken
    }

    /// Lets bytes of a body go that nobody wants. Beyond `Limits.drain` the stream's window is left
    /// shut until the stream is answered.
    private func drop(_ stream: HTTP2Stream, _ count: Int) {
        stream.dropAllowance -= count
        if stream.dropAllowance < 0, case .sent = stream.answer, stream.lingerEnd == nil {
            stream.lingerEnd = now + limits.linger
        }
        if stream.dropAllowance >= 0 || stream.lingerEnd != nil {
            session.consume(stream: stream.id, count)
        } else {
            session.consumeConnection(count)
            stream.withheld += count
        }
    }

    /// The client has sent the stream's end.
    func endBody(_ stream: HTTP2Stream) {
        stream.hasEnded = true
        stream.mayAwaitContinue = false
        finishBodyIfComplete(stream)
        updateClock(stream)
    }

    func finishBodyIfComplete(_ stream: HTTP2Stream) {
        guard stream.hasEnded, stream.delivery != .paused else { return }
        takeSink(stream)?.finish()
    }

    /// The sink takes again what it refused, or begins to take.
    func resumeBody(_ stream: HTTP2Stream) {
        guard stream.index != nil, stream.sink != nil, stream.delivery == .paused else { return }
        isInCall = true
        stream.delivery = .pushing
        continueIfAwaited(stream)
        pushKept(stream)
        finishBodyIfComplete(stream)
        isInCall = false
        link.host?.wake()
    }

    private func pushKept(_ stream: HTTP2Stream) {
        guard !stream.kept.isEmpty else { return }
        let kept = stream.kept
        let taken = kept.withUnsafeBytes {
            push(stream, UnsafeRawBufferPointer(rebasing: $0[stream.keptStart...]))
        }
        // An answer that the sink gave meanwhile has dropped what was kept.
        guard !stream.kept.isEmpty else { return }
        session.consume(stream: stream.id, taken)
        stream.keptStart += taken
        if stream.keptStart == kept.count {
            stream.kept = []
            stream.keptStart = 0
        }
    }

    /// Lets go of what a stream kept: the connection's window gets it back, and the stream's own,
    /// where that is open, as for what still comes. A window that stayed shut would keep the client
    /// from sending the rest of a short body.
    func dropKept(_ stream: HTTP2Stream, isClosed: Bool) {
        let count = stream.kept.count - stream.keptStart
        stream.kept = []
        stream.keptStart = 0
        guard count > 0 else { return }
        isClosed ? session.consumeConnection(count) : drop(stream, count)
    }

    /// The body's turn has come: all of it is wanted, as fast as it can be sent.
    func widenWindow(_ stream: HTTP2Stream) {
        guard stream.index != nil, !stream.hasEnded else { return }
        session.setWindow(stream: stream.id, bytes: limits.streamWindow)
        if maximumFrameBytes < limits.frameBytes {
            maximumFrameBytes = limits.frameBytes
            session.submitFrameSize(maximumFrameBytes)
        }
        link.host?.wake()
    }
}
