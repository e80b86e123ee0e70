import HTTPWire
import Sessions

// Who may do what: decided by a request's head alone, before anything else is looked at.

extension PolyakService {
    /// Who sends the request.
    ///
    /// - Throws: 401, also for what is no resource: to whom it does not know the service says only
    ///   what is open to all.
    func identify(_ head: RequestHead) throws(Refusal) -> Identity {
        guard let access, Route(path: head.path)?.isOpen != true else { return .anyone }
        return try access.identity(of: head)
    }
}

extension Identity {
    /// Refuses what the sender may not do.
    ///
    /// - Throws: 404 for a session that they do not see, be it there or not; 403.
    func authorize(_ head: RequestHead, for route: Route) throws(Refusal) {
        guard !route.isOpen else { return }
        if RequestOrigin.isForeign(head.fields) {
            throw Refusal(
                ProblemKind.forbidden.problem(
                    "the request has the Origin of a web page that this service did not serve, "
                        + "or its Host was changed on the way"))
        }
        if let session = route.session, !sees(session: session) {
            guard case .session = route, head.method == "PUT" else {
                throw Refusal(.sessionNotFound(session: session))
            }
            throw Refusal(
                ProblemKind.forbidden.problem(
                    "the names of \(name ?? "")'s sessions begin with "
                        + "\"\(sessionPrefix ?? "")\""))
        }
        let needed = route.role(for: head.method)
        guard role >= needed else {
            throw Refusal(
                ProblemKind.forbidden.problem(
                    "\(name ?? "") has the role \(role.rawValue), and "
                        + "\(head.method) here needs \(needed.rawValue)"))
        }
    }
}

extension Route {
    /// Whether anybody may ask, without a token.
    var isOpen: Bool {
        switch self {
        case .page, .live, .ready, .problem: true
        case .sessions, .session, .parameters, .epochs, .average, .tensor, .cached: false
        }
    }

    /// The session that the resource belongs to.
    var session: String? {
        switch self {
        case .page, .live, .ready, .problem, .sessions: nil
        case .session(let name), .parameters(let name), .epochs(let name), .cached(let name),
            .average(let name, _), .tensor(let name, _, _):
            name
        }
    }

    /// The least role that `method` needs here.
    func role(for method: String) -> Role {
        switch method {
        case "GET", "HEAD": return .read
        case "DELETE":
            if case .session = self { return .admin }
            return .train
        default: return .train
        }
    }
}
