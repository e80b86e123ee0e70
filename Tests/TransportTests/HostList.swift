import HTTPWire
import TestSupport
import Testing

/// The hosts of connections in the order they were accepted.
final class HostList: Sendable {
    private let state = Guarded((hosts: [any EngineHost](), clients: [Client]()))

    func add(_ host: any EngineHost) { state.withLock { $0.hosts.append(host) } }
    func keep(_ client: Client) { state.withLock { $0.clients.append(client) } }

    /// Whether two connections live on one lane: asks the second from the first's.
    func sharesLane(_ first: Int, _ second: Int) -> Bool {
        let hosts = state.withLock { $0.hosts }
        let (asked, shared) = (Tally(), Tally())
        hosts[first].onLane {
            if hosts[second].isOnLane { shared.add() }
            asked.add()
        }
        asked.wait(for: 1)
        return shared.count == 1
    }
}
