import Glibc
public import HTTPWire
public import Logging
public import ServiceLimits
import Synchronization

/// Listens, and drives one `WireEngine` per connection on a fixed number of lanes.
///
/// It knows neither routes nor HTTP. Every method may be called from any thread.
public final class Server: Sendable {
    /// Makes the engine of a new connection, on that connection's lane.
    public typealias EngineFactory =
        @Sendable (
            _ host: any EngineHost, _ peer: Peer, _ now: Instant
        ) -> any WireEngine

    /// Where the server listens, in the order asked for, with the ports the system chose.
    public let addresses: [ListenAddress]

    private let lanes: [Lane]
    private let ends: LaneEnds
    /// Bound, and not yet given to the acceptor.
    private let listeners: Mutex<[Listener]>

    /// Binds every address; clients may connect from now on, and wait until `start`.
    ///
    /// A Unix socket file that a killed process left is replaced; one that a process listens on is
    /// refused. Socket files have mode 0600: only this user may connect.
    ///
    /// - Parameters:
    ///   - tls: for addresses under TLS, which need it.
    ///   - laneCount: threads, each with its own event loop; one per core is best.
    ///   - takesDescriptors: whether open files that clients pass over Unix sockets reach the
    ///     engines; otherwise they are never received.
    public init(
        listen: [ListenAddress], tls: TLSIdentity? = nil, laneCount: Int, limits: Limits,
        logger: Logger, takesDescriptors: Bool = false, makeEngine: @escaping EngineFactory
    ) throws(TransportError) {
        precondition(laneCount > 0, "a server needs a lane")
        precondition(
            tls != nil || !listen.contains(where: \.isEncrypted), "TLS without a certificate")
        var bound: [Listener] = []
        for address in listen { bound.append(try Listener(address)) }
        addresses = bound.map(\.address)

        let ends = LaneEnds(count: laneCount)
        let settings = LaneSettings(
            limits: limits, logger: logger, makeEngine: makeEngine,
            takesDescriptors: takesDescriptors, tls: tls,
            didEnd: { ends.laneEnded() })
        var lanes: [Lane] = []
        for _ in 0..<laneCount { lanes.append(try Lane(settings)) }
        for (index, lane) in lanes.enumerated() {
            do throws(TransportError) {
                try lane.start()
            } catch {
                for started in lanes[..<index] { started.postShutdown(.now) }
                throw error
            }
        }
        self.ends = ends
        self.lanes = lanes
        listeners = Mutex(bound)
    }

    /// Without a `shutdown` before, connections are dropped.
    deinit {
        stop(.now)
    }

    /// Begins accepting. Called again, or after `shutdown`, it does nothing.
    ///
    /// Makes the process ignore SIGPIPE, which sendfile would raise when a reader has gone.
    public func start() {
        signal(SIGPIPE, SIG_IGN)
        let bound = takeListeners()
        guard !bound.isEmpty else { return }
        let home = lanes[0]
        let acceptor = Acceptor(listeners: bound, lanes: lanes, home: home)
        home.post { home.startAccepting(acceptor) }
    }

    /// Stops accepting, removes the socket files, tells the engines to come to an end, and returns
    /// when every connection is gone and every thread has ended. Requests whose bodies are still
    /// coming after `grace` are refused. A second call that ends earlier cuts the first one short.
    ///
    /// - Parameter refusing: how long clients have after that to take what they are answered; then
    ///   their connections are reset. Less than `Limits.linger`, because the process's end waits.
    public func shutdown(grace: Duration, refusing: Duration = .seconds(2)) async {
        let graceEnd = Instant.now.advanced(by: grace)
        stop(StopTimes(graceEnd: graceEnd, end: graceEnd.advanced(by: refusing)))
        await ends.wait()
    }

    /// Open connections, those included that are being closed.
    public var connectionCount: Int {
        lanes.reduce(0) { $0 + $1.load.connections }
    }

    private func stop(_ times: StopTimes) {
        _ = takeListeners()
        let lanes = lanes
        // The accepting lane first: what it has handed to the others is then in their mailboxes.
        lanes[0].post {
            for lane in lanes.dropFirst() { lane.postShutdown(times) }
            lanes[0].beginShutdown(times)
        }
    }

    private func takeListeners() -> [Listener] {
        listeners.withLock { listeners in
            defer { listeners = [] }
            return listeners
        }
    }
}

extension Lane {
    fileprivate func postShutdown(_ times: StopTimes) {
        post { self.beginShutdown(times) }
    }
}

extension StopTimes {
    /// Whatever is there is reset.
    fileprivate static var now: StopTimes {
        let now = Instant.now
        return StopTimes(graceEnd: now, end: now)
    }
}

/// Lets tasks wait for the end of all lanes.
private final class LaneEnds: Sendable {
    private struct State {
        var running: Int
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(count: Int) {
        state = Mutex(State(running: count))
    }

    func laneEnded() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.running -= 1
            guard state.running == 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.running > 0 { state.waiters.append(continuation) }
                return state.running == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
