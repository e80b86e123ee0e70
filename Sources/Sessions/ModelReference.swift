/// Where the model of an upload by reference lies.
public enum ModelReference: Sendable {
    /// A file beneath the directory.
    case path(String, LocalFiles)
    /// A file that the client has opened; `owner` keeps the descriptor open.
    case descriptor(Int32, owner: any AnyObject & Sendable)

    /// Opens the file. Not for a lane.
    func open(_ mappings: SharedMappings) throws(SessionError) -> ModelFile {
        switch self {
        case .path(let path, let files): try files.open(path)
        case .descriptor(let number, let owner):
            try ModelFile(
                number, name: "the descriptor", owner: owner, mappings: mappings)
        }
    }
}
