import HTTPWire

/// One method of one resource: who may use it, what its query may hold, and what answers it.
final class Route: Sendable {
    /// A method of the service that answers, or takes the body.
    typealias Handler =
        @Sendable (PolyakService) -> (Request, any Exchange) throws(Refusal) -> BodyDisposition

    /// `GET` is HEAD too.
    let method: String
    /// The path, with `{name}` where any segment may stand.
    let template: String
    /// The least role it needs; nil: anybody may, without a token.
    let role: Role?
    /// The query parameters it takes.
    let parameters: [String]
    let handle: Handler
    /// Whether the resource is a session, or belongs to one.
    let isOfSession: Bool
    private let depth: Int
    /// The segments without a name in them: a path must have the same ones there.
    private let fixed: [(index: Int, text: String)]

    /// - Parameter template: has its names where `ResourcePath` looks for them.
    init(
        _ method: String, _ template: String, needs role: Role?, query parameters: [String] = [],
        _ handle: @escaping Handler
    ) {
        self.method = method
        self.template = template
        self.role = role
        self.parameters = parameters
        self.handle = handle
        isOfSession = template.hasPrefix(Route.session)
        let segments = template.split(separator: "/")
        depth = segments.count
        fixed = segments.enumerated().filter { $1.first != "{" }.map { ($0, String($1)) }
    }

    var isOpen: Bool { role == nil }

    /// What `Allow` says of it.
    var methods: [String] { method == "GET" ? ["GET", "HEAD"] : [method] }

    func takes(_ method: String) -> Bool {
        method == self.method || method == "HEAD" && self.method == "GET"
    }

    func matches(_ path: ResourcePath) -> Bool {
        depth == path.depth && fixed.allSatisfy { path.segments[$0.index] == $0.text }
    }
}
