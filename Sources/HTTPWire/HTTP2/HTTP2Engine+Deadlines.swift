import CNGHTTP2
import ServiceLimits

extension HTTP2Engine {
    private static var tickInterval: Duration { .seconds(1) }

    public var deadline: Instant? {
        guard ending == nil, !isFailed else { return nil }
        var earliest = nextTick ?? idleSince + limits.idleTimeout
        if !sawSettings { earliest = min(earliest, handshakeDeadline) }
        if let headBegan { earliest = min(earliest, headBegan + limits.headTimeout) }
        return earliest
    }

    /// Ticks while a stream is open, or bytes of a file are on their way.
    func updateTick() {
        if streams.isEmpty, inFlight.isEmpty {
            nextTick = nil
        } else if nextTick == nil {
            nextTick = now + Self.tickInterval
        }
    }

    public func timeExpired(now: Instant, unreadBytes: Int) {
        call(now) {
            guard let deadline, deadline <= now else { return }
            if !sawSettings, handshakeDeadline <= now { return fail(NGHTTP2_NO_ERROR) }
            if let headBegan, headBegan + limits.headTimeout <= now {
                return fail(NGHTTP2_PROTOCOL_ERROR)
            }
            guard let nextTick else { return checkIdle(unreadBytes) }
            if nextTick <= now {
                self.nextTick = now + Self.tickInterval
                tick(unreadBytes)
            }
        }
    }

    private func checkIdle(_ unreadBytes: Int) {
        guard idleSince + limits.idleTimeout <= now else { return }
        if unreadBytes > 0 {
            // A request has begun to come at the last moment and is about to be read.
            idleSince = now - limits.idleTimeout + limits.headTimeout
        } else {
            fail(NGHTTP2_NO_ERROR)
        }
    }

    private func tick(_ unreadBytes: Int) {
        sayGoodbye()
        if inFlight.contains(where: { $0.wasFailed && $0.hasSliceInFlight }) {
            // The service wants the file back, and the reader has taken nothing for a while.
            end(.reset)
            link.host?.wake()
            return
        }
        for stream in streams {
            if let lingerEnd = stream.lingerEnd, lingerEnd <= now { resetRest(stream) }
            checkBody(stream, unreadBytes)
            checkAnswer(stream)
        }
    }

    /// The body's clock runs exactly while bytes are wanted and can be expected.
    func updateClock(_ stream: HTTP2Stream) {
        if isBodyAwaited(stream) {
            stream.clock.run(now: now)
        } else {
            stream.clock.stop(now: now)
        }
    }

    private func isBodyAwaited(_ stream: HTTP2Stream) -> Bool {
        guard stream.index != nil, !stream.hasEnded, !stream.mayAwaitContinue else { return false }
        switch stream.delivery {
        case .pushing: return true
        case .paused: return false
        case .dropping: return stream.dropAllowance >= 0 || stream.lingerEnd != nil
        }
    }

    private func checkBody(_ stream: HTTP2Stream, _ unreadBytes: Int) {
        // The client must have been able to send.
        let canCome = readDemand != .none && session.receiveWindow(stream: stream.id) > 0
        guard canCome else { return stream.clock.stop(now: now) }
        updateClock(stream)
        guard let deadline = stream.clock.deadline, deadline <= now else { return }
        let unread = tracker.frame?.streamID == stream.id ? unreadBytes : 0
        guard !stream.clock.allows(unreadBytes: unread, now: now) else { return }
        stream.clock.stop(now: now)
        if case .none = stream.answer {
            stream.wasTimedOut = true
            refuse(stream, .bodyTimedOut, abort: .timedOut)
        } else if case .sent = stream.answer {
            resetRest(stream)
        }
    }

    /// A reader that keeps its window shut holds the answer's file.
    private func checkAnswer(_ stream: HTTP2Stream) {
        guard case .sending = stream.answer, !stream.body.isWaiting, !stream.isInFlight else {
            return
        }
        guard session.sendWindow(stream: stream.id) <= 0 else { return }
        guard stream.progress + limits.writeTimeout <= now else { return }
        session.submitReset(stream: stream.id, NGHTTP2_CANCEL)
    }
}
