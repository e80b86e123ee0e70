import CNGHTTP2

extension HTTP2Engine {
    public func beginShutdown(now: Instant) {
        call(now) {
            isShuttingDown = true
            if streams.isEmpty {
                fail(NGHTTP2_NO_ERROR)
            } else {
                session.submitShutdownNotice()
                owesGoAway = true
            }
        }
    }

    /// No stream is served after those that have come.
    func sayGoodbye() {
        guard owesGoAway else { return }
        owesGoAway = false
        session.submitGoAway()
    }

    public func endGrace(now: Instant, until end: Instant) {
        call(now) {
            // The other half of the time is the transport's, which waits for the client's end.
            let dropEnd = now + (end - now) / 2
            self.dropEnd = dropEnd
            nextTick = min(nextTick ?? dropEnd, dropEnd)
            for stream in streams {
                if stream.sink != nil {
                    refuse(stream, .shuttingDown, abort: .shuttingDown)
                } else if case .sent = stream.answer {
                    stream.lingerEnd = min(stream.lingerEnd ?? dropEnd, dropEnd)
                }
            }
            sayGoodbye()
        }
    }
}
