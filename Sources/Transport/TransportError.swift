/// Why a server could not be set up.
public enum TransportError: Error, Equatable, CustomStringConvertible {
    /// The host of a listen address has no address.
    case unresolvable(ListenAddress, reason: String)
    /// Something else listens there.
    case addressInUse(ListenAddress)
    /// The system refused the address: it is not this machine's, the port is privileged, the
    /// directory of the socket file is missing or closed to us.
    case cannotListen(ListenAddress, reason: String)
    /// A file that is not a socket is where the socket file should be; it was left alone.
    case notASocketFile(path: String)
    /// The system has no descriptors, memory or threads left.
    case noResources(call: String, reason: String)

    public var description: String {
        switch self {
        case .unresolvable(let address, let reason):
            "cannot listen on \(address): the host is unknown (\(reason))"
        case .addressInUse(let address):
            "cannot listen on \(address): another process listens there; "
                + "stop it or choose another address"
        case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
        case .notASocketFile(let path):
            "cannot listen on unix:\(path): there is a file that is not a socket; "
                + "remove it or choose another path"
        case .noResources(let call, let reason): "the system refused \(call): \(reason)"
        }
    }
}
