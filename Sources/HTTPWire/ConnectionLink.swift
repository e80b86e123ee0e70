/// What joins the exchanges of one connection to it until it is gone: an exchange that the service
/// still holds then does nothing.
///
/// The engine and its host are let go of by hand and not held weakly, because objects with weak
/// references are counted more slowly, at every request. Unchecked because both are touched on the
/// connection's lane only.
final class ConnectionLink<Engine: AnyObject>: @unchecked Sendable {
    private(set) var host: (any EngineHost)?
    private(set) var engine: Engine?
    let lane: any EngineLane

    init(host: any EngineHost) {
        self.host = host
        lane = host.engineLane
    }

    func connect(_ engine: Engine) { self.engine = engine }

    /// The connection has gone.
    func disconnect() {
        engine = nil
        host = nil
    }
}
