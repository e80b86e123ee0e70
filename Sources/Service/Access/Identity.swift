/// Who sends a request, as the token file names them.
struct Identity: Sendable, Equatable {
    /// Named like sessions; nil for whoever asks while nobody has to say who they are.
    let name: String?
    /// What they may do.
    let role: Role
    /// The names of the only sessions they see begin with this; nil: they see all.
    let sessionPrefix: String?

    /// Everyone, where no token file is given.
    static let anyone = Identity(name: nil, role: .admin, sessionPrefix: nil)

    func sees(session name: String) -> Bool {
        sessionPrefix.map { name.utf8.starts(with: $0.utf8) } ?? true
    }
}

/// What an identity may do; each role may do what those before it may.
enum Role: String, Sendable, CaseIterable, Comparable {
    /// GET and HEAD.
    case read
    /// Also PUT and POST, and DELETE of cached weights.
    case train
    /// Also DELETE of sessions.
    case admin

    static func < (one: Role, other: Role) -> Bool { one.rank < other.rank }

    private var rank: Int {
        switch self {
        case .read: 0
        case .train: 1
        case .admin: 2
        }
    }
}
