import Storage
import StrictJSON

/// Why a session could not be found again; `reason` names the file.
struct RecoveryError: Error {
    var reason: String
    /// Written by a later version of the service: it must stay untouched.
    var isNewer = false

    init(reason: String) {
        self.reason = reason
    }

    /// Runs `read`, whose errors of every layer become one.
    static func wrap<Value>(_ path: String, _ read: () throws -> Value) throws(RecoveryError)
        -> Value
    {
        do {
            return try read()
        } catch {
            throw RecoveryError(path, error)
        }
    }

    private init(_ path: String, _ error: any Error) {
        switch error {
        case let error as RecoveryError: self = error
        case let error as StorageError:
            reason = "\(error)"
            if case .newerVersion = error { isNewer = true }
        case let error as RecordError: reason = "\(path): \(error.detail)"
        case let error as JSONError: reason = "\(path): \(error)"
        default: reason = "\(path): \(error)"
        }
    }
}
