import HTTPWire

/// A request's path, percent-decoded.
struct ResourcePath {
    /// The seventh is all that follows the sixth: names of tensors may have slashes.
    let segments: [String]
    /// How many of them count: `tensors/` names no tensor, as `tensors` does not.
    let depth: Int

    /// Nil when it cannot be decoded.
    init?(_ raw: String) {
        guard let (leading, rest) = RequestTarget.decodePath(raw, leading: 6) else { return nil }
        var segments = leading
        depth = segments.count + (rest?.isEmpty == false ? 1 : 0)
        if let rest {
            guard let tensor = RequestTarget.decode(rest) else { return nil }
            segments.append(tensor)
        }
        self.segments = segments
    }

    var problem: String { segments[1] }
    var session: String { segments[2] }
    var average: String { segments[4] }
    var tensor: String? { segments.count > 6 ? segments[6] : nil }
}
