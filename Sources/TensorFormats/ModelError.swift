/// Why a model in a body cannot be taken. Names from the body are cut when they are very long.
public enum ModelError: Error, Sendable, Equatable {
    /// The body breaks its format. `offset` is a byte position in the body.
    case malformed(detail: String, offset: Int?, tensor: String?)
    /// The body is well formed, but a tensor's element type is none that the service takes.
    case unsupportedType(name: String, tensor: String)
    /// The body is, or says that it will be, larger than a limit of the service or the format.
    case tooLarge(detail: String, limit: Int)

    /// What kind of refusal an error is.
    public enum Category: Sendable {
        case malformed, unsupported, tooLarge
    }

    /// The kind that decides the status of an answer.
    public var category: Category {
        switch self {
        case .malformed: .malformed
        case .unsupportedType: .unsupported
        case .tooLarge: .tooLarge
        }
    }

    /// What is wrong, in words.
    public var detail: String {
        switch self {
        case .malformed(let detail, _, _), .tooLarge(let detail, _): detail
        case .unsupportedType(let name, _): "the element type \"\(name)\" is not supported"
        }
    }

    /// The byte position in the body where the trouble was noticed, where there is one.
    public var offset: Int? {
        if case .malformed(_, let offset, _) = self { offset } else { nil }
    }

    /// The tensor that the trouble is about, where it is about one.
    public var tensor: String? {
        switch self {
        case .malformed(_, _, let tensor): tensor
        case .unsupportedType(_, let tensor): tensor
        case .tooLarge: nil
        }
    }
}

extension ModelError: CustomStringConvertible {
    public var description: String {
        var text = detail
        if let tensor { text = "tensor \"\(tensor)\": " + text }
        if let offset { text += " (byte \(offset))" }
        return text
    }
}
