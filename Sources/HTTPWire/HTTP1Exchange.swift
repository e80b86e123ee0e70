import Synchronization

/// What joins the exchanges of one connection to it without keeping it alive: an exchange that the
/// service still holds after the connection has gone does nothing.
///
/// Unchecked because of `engine`, which is touched on the connection's lane only; `host` is set
/// once, and loading a weak reference is safe from any thread.
final class ConnectionLink: @unchecked Sendable {
    private(set) weak var host: (any EngineHost)?
    weak var engine: HTTP1Engine?
    let laneQueue: @Sendable (@escaping @Sendable () -> Void) -> Void

    init(host: any EngineHost) {
        self.host = host
        laneQueue = host.laneQueue
    }
}

/// One request of an HTTP/1.1 connection.
final class HTTP1Exchange: Exchange {
    /// An answer on its way to the lane.
    ///
    /// Unchecked because a `BodySource` belongs to the lane: the caller hands it over with
    /// `respond` and does not touch it again.
    private struct Handover: @unchecked Sendable {
        let response: Response
    }

    private let link: ConnectionLink
    private let isAnswered = Atomic<Bool>(false)

    init(link: ConnectionLink) {
        self.link = link
    }

    func respond(_ response: Response) {
        guard !isAnswered.exchange(true, ordering: .relaxed), let host = link.host else { return }
        if host.isOnLane {
            link.engine?.answer(self, response)
            return
        }
        let handover = Handover(response: response)
        host.onLane { self.link.engine?.answer(self, handover.response) }
    }

    func resumeBody() {
        // Queued even on the lane: a sink may call this inside `receive`, before it has paused.
        link.host?.onLane { self.link.engine?.resumeBody(self) }
    }

    func resumeResponse() {
        link.host?.onLane { self.link.engine?.resumeResponse(self) }
    }

    func failResponse() {
        link.host?.onLane { self.link.engine?.failResponse(self) }
    }

    func takeDescriptors() -> [any PassedDescriptor] {
        link.engine?.takeDescriptors(self) ?? []
    }

    func onLane(_ work: @escaping @Sendable () -> Void) {
        // Not by way of the host: what the service began for a client that has gone must end too.
        link.laneQueue(work)
    }
}
