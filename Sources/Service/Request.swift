import HTTPWire

/// A request that names a resource and a method of the API, its query checked.
///
/// An object for the same reason as `RequestHead`.
final class Request: Sendable {
    let head: RequestHead
    let identity: Identity
    let path: ResourcePath
    let route: Route
    let query: QueryItems

    var method: String { head.method }
    var fields: HeaderFields { head.fields }

    /// Checks in the order of http-api.md: who sends it, path, method, what they may do, query.
    ///
    /// - Parameter access: nil: nobody has to say who they are.
    init(_ head: RequestHead, _ access: AccessControl?) throws(Refusal) {
        self.head = head
        let path = ResourcePath(head.path)
        let routes = Route.table.lazy.filter { route in path.map(route.matches) ?? false }
        // Also for what is no resource: to whom it does not know the service says only what is
        // open to all.
        if let access, routes.first?.isOpen != true {
            identity = try access.identity(of: head)
        } else {
            identity = .anyone
        }
        guard let path, let route = routes.first(where: { $0.takes(head.method) }) else {
            throw Refusal(Request.noRoute(for: head, among: Array(routes)))
        }
        self.path = path
        self.route = route
        try identity.authorize(head, for: route, at: path)
        guard let query = QueryItems(head.query) else {
            throw Refusal(
                ProblemKind.malformedRequest.problem("the query is not valid percent-encoding"))
        }
        self.query = query
    }

    private static func noRoute(for head: RequestHead, among routes: [Route]) -> Problem {
        // The page is for browsers and no part of the API, which has nothing at this path.
        if routes.isEmpty || head.path == "/" {
            return ProblemKind.notFound.problem(
                "\(head.path.prefix(200)) is no resource of the API")
        }
        let allowed = routes.flatMap(\.methods).joined(separator: ", ")
        return ProblemKind.methodNotAllowed.problem(
            "\(head.method.prefix(32)) is not allowed here; allowed are \(allowed)",
            fields: [("Allow", allowed)])
    }

    /// Checked after the resource was found, since a 404 comes before a 400.
    func checkQuery() throws(Refusal) {
        if query.items.isEmpty { return }
        let allowed = route.parameters
        if let unknown = query.items.first(where: { !allowed.contains($0.name) }) {
            let known = allowed.isEmpty ? "none" : allowed.joined(separator: ", ")
            throw Refusal(
                ProblemKind.unknownParameter.problem(
                    "\"\(unknown.name.prefix(64))\" is not a parameter of this resource; "
                        + "allowed: \(known)"))
        }
        if let twice = query.firstDuplicate {
            throw Refusal(
                ProblemKind.unknownParameter.problem("\"\(twice)\" is given more than once"))
        }
    }

    /// `?trainer=`, by default `default`.
    func trainer() throws(Refusal) -> String {
        guard let trainer = query.first("trainer") else { return "default" }
        guard (1...128).contains(trainer.utf8.count) else {
            throw Refusal(
                ProblemKind.malformedRequest.problem(
                    "trainer has \(trainer.utf8.count) bytes; allowed are 1 to 128"))
        }
        return trainer
    }

    /// The media type of the body, without parameters, in lower case; nil when none is given.
    ///
    /// The type that curl gives every body unless it is told otherwise says nothing either.
    var mediaType: String? {
        guard let value = fields.first("content-type") else { return nil }
        // As nearly every upload has it.
        if value == "application/vnd.safetensors" { return value }
        let type = value.split(separator: ";", omittingEmptySubsequences: false)[0]
            .lowercased().filter { $0 != " " && $0 != "\t" }
        return type == "application/x-www-form-urlencoded" ? nil : type
    }

    /// The idempotency key; nil without one.
    func idempotencyKey() throws(Refusal) -> String? {
        guard fields.contains("idempotency-key") else { return nil }
        let keys = fields.all("idempotency-key")
        guard let key = keys.first else { return nil }
        guard keys.count == 1, (1...255).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw Refusal(
                ProblemKind.malformedRequest.problem(
                    "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters"))
        }
        return key
    }

    /// What a request under an idempotency key is told apart by, beside its body.
    var fingerprintHead: String {
        "\(method) \(head.path)?\(query.canonical) \(mediaType ?? "")"
    }
}

extension Response {
    static func text(_ text: String, status: Int = 200) -> Response {
        Response(
            text: Array(text.utf8), contentType: "text/plain; charset=utf-8", status: status)
    }

    static func json(_ bytes: [UInt8], status: Int = 200) -> Response {
        Response(text: bytes, contentType: "application/json", status: status)
    }
}
