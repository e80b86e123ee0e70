import Synchronization

/// One request of an HTTP/1.1 connection.
final class HTTP1Exchange: Exchange {
    private let link: ConnectionLink<HTTP1Engine>
    private let isAnswered = Atomic<Bool>(false)

    init(link: ConnectionLink<HTTP1Engine>) {
        self.link = link
    }

    func respond(_ response: Response) {
        guard !isAnswered.exchange(true, ordering: .relaxed) else { return }
        if link.lane.isCurrent {
            link.engine?.answer(self, response)
            return
        }
        let handover = ResponseHandover(response: response)
        link.lane.post { self.link.engine?.answer(self, handover.response) }
    }

    func resumeBody() {
        // Queued even on the lane: a sink may call this inside `receive`, before it has paused.
        link.lane.post { self.link.engine?.resumeBody(self) }
    }

    func resumeResponse() {
        link.lane.post { self.link.engine?.resumeResponse(self) }
    }

    func failResponse() {
        link.lane.post { self.link.engine?.failResponse(self) }
    }

    func takeDescriptors() -> [any PassedDescriptor] {
        link.engine?.takeDescriptors(self) ?? []
    }

    func onLane(_ work: @escaping @Sendable () -> Void) {
        // Whether or not the client has gone: what the service began for it must end too.
        link.lane.post(work)
    }
}
