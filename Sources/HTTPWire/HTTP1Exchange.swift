import Synchronization

/// What joins the exchanges of one connection to it until it is gone: an exchange that the service
/// still holds then does nothing.
///
/// The engine and its host are let go of by hand and not held weakly, because objects with weak
/// references are counted more slowly, at every request. Unchecked because both are touched on the
/// connection's lane only.
final class ConnectionLink: @unchecked Sendable {
    private(set) var host: (any EngineHost)?
    private(set) var engine: HTTP1Engine?
    let lane: any EngineLane

    init(host: any EngineHost) {
        self.host = host
        lane = host.engineLane
    }

    func connect(_ engine: HTTP1Engine) { self.engine = engine }

    /// The connection has gone.
    func disconnect() {
        engine = nil
        host = nil
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
