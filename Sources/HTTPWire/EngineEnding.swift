/// How an engine wants its connection to end.
enum EngineEnding {
    case close, closeAfterLinger, reset

    /// What tells the transport.
    var output: EngineOutput {
        switch self {
        case .close: .close
        case .closeAfterLinger: .closeAfterLinger
        case .reset: .reset
        }
    }
}
