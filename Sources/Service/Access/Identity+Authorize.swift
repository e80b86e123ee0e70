import HTTPWire
import Sessions

// Who may do what: decided by a request's head alone, before anything else is looked at.

extension Identity {
    /// Refuses what the sender may not do.
    ///
    /// - Throws: 404 for a session that they do not see, be it there or not; 403.
    func authorize(
        _ head: RequestHead, for route: Route, at path: ResourcePath
    ) throws(Refusal) {
        guard let needed = route.role else { return }
        if RequestOrigin.isForeign(head.fields) {
            throw Refusal(
                ProblemKind.forbidden.problem(
                    "the request has the Origin of a web page that this service did not serve, "
                        + "or its Host was changed on the way"))
        }
        if route.isOfSession, !sees(session: path.session) {
            guard route.template == Route.session, head.method == "PUT" else {
                throw Refusal(.sessionNotFound(session: path.session))
            }
            throw Refusal(
                ProblemKind.forbidden.problem(
                    "the names of \(name ?? "")'s sessions begin with "
                        + "\"\(sessionPrefix ?? "")\""))
        }
        guard role >= needed else {
            throw Refusal(
                ProblemKind.forbidden.problem(
                    "\(name ?? "") has the role \(role.rawValue), and "
                        + "\(head.method) here needs \(needed.rawValue)"))
        }
    }
}
