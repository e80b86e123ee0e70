import Synchronization

/// One request of an HTTP/1.1 connection.
final class HTTP1Exchange: Exchange {
    /// An answer on its way to the lane.
    ///
    /// Unchecked because a `BodySource` belongs to the lane: the caller hands it over with
    /// `respond` and does not touch it again.
    private struct Handover: @unchecked Sendable {
        let response: Response
    }

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
        let handover = Handover(response: response)
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
