import HTTPWire

/// The resources of the API, by path.
enum Route: Equatable {
    /// What a browser is shown.
    case page
    case sessions
    case session(String)
    case parameters(session: String)
    case epochs(session: String)
    case average(session: String, average: String)
    /// `tensor` nil: the name is in the query.
    case tensor(session: String, average: String, tensor: String?)
    case cached(session: String)
    case live
    case ready
    case problem(String)

    /// Nil when the path is none of the API's, or cannot be decoded.
    init?(path: String) {
        if path == "/" {
            self = .page
            return
        }
        // Tensor names may contain slashes: everything after the sixth segment is one name.
        guard let (segments, rest) = RequestTarget.decodePath(path, leading: 6) else { return nil }
        if let rest {
            guard segments[0] == "v1", segments[1] == "sessions", segments[3] == "averages",
                segments[5] == "tensors", let tensor = RequestTarget.decode(rest)
            else { return nil }
            self = .tensor(session: segments[2], average: segments[4], tensor: tensor)
            return
        }
        switch segments.count {
        case 1:
            switch segments[0] {
            case "livez": self = .live
            case "readyz", "healthz": self = .ready
            default: return nil
            }
        case 2 where segments[0] == "problems": self = .problem(segments[1])
        case 2 where segments == ["v1", "sessions"]: self = .sessions
        case 3... where segments[0] == "v1" && segments[1] == "sessions":
            self.init(ofSession: segments)
        default: return nil
        }
    }

    /// - Parameter segments: the path's, of which the third is the session's name.
    private init?(ofSession segments: [String]) {
        let session = segments[2]
        switch segments.count {
        case 3: self = .session(session)
        case 4 where segments[3] == "parameters": self = .parameters(session: session)
        case 4 where segments[3] == "epochs": self = .epochs(session: session)
        case 4 where segments[3] == "cached": self = .cached(session: session)
        case 5 where segments[3] == "averages":
            self = .average(session: session, average: segments[4])
        case 6 where segments[3] == "averages" && segments[5] == "tensors":
            self = .tensor(session: session, average: segments[4], tensor: nil)
        default: return nil
        }
    }

    /// The methods that the resource takes; HEAD wherever GET is.
    var methods: [String] {
        switch self {
        case .page, .sessions, .average, .tensor, .live, .ready, .problem: ["GET", "HEAD"]
        case .session: ["GET", "HEAD", "PUT", "DELETE"]
        case .parameters, .epochs: ["POST"]
        case .cached: ["GET", "HEAD", "PUT", "DELETE"]
        }
    }

    /// The query parameters that the resource takes with `method`.
    func parameters(for method: String) -> [String] {
        switch self {
        case .sessions: ["limit", "after"]
        case .parameters: ["step", "trainer", "weight"]
        case .average: ["format", "dtype"]
        case .tensor(_, _, let name): name?.isEmpty ?? true ? ["name", "dtype"] : ["dtype"]
        case .cached: ["trainer"]
        case .ready: ["verbose"]
        case .page, .session, .epochs, .live, .problem: []
        }
    }
}
