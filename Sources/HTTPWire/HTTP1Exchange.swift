import Synchronization

/// One request of an HTTP/1.1 connection.
///
/// `@unchecked Sendable`: `cancellation` is touched on the connection's lane only.
final class HTTP1Exchange: Exchange, @unchecked Sendable {
    private let link: ConnectionLink<HTTP1Engine>
    private let isAnswered = Atomic<Bool>(false)
    private var cancellation: (@Sendable () -> Void)?

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

    func onCancel(_ work: @escaping @Sendable () -> Void) {
        guard link.lane.isCurrent else { return link.lane.post { self.onCancel(work) } }
        cancellation = work
        if link.engine?.exchange !== self { link.lane.post { self.cancel() } }
    }

    /// The request has ended, and if it was not answered by then never will be. On the lane.
    func cancel() {
        guard let work = cancellation else { return }
        cancellation = nil
        if !isAnswered.load(ordering: .relaxed) { work() }
    }

    func takeDescriptors() -> [any PassedDescriptor] {
        link.engine?.takeDescriptors(self) ?? []
    }

    func onLane(_ work: @escaping @Sendable () -> Void) {
        // Whether or not the client has gone: what the service began for it must end too.
        link.lane.post(work)
    }
}
