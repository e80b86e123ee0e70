import Glibc
import Storage
public import TensorFormats

/// Why the sessions layer refused a request. Nothing that was accepted before is changed by any of
/// them.
public enum SessionError: Error, Sendable, Equatable {
    case sessionNotFound(session: String)
    case sessionExists(session: String)
    case averageNotFound(average: String, known: [String])
    case averagingNotStarted(detail: String)
    case tensorNotFound(tensor: String)
    case cachedNotFound(trainer: String)
    /// A setting is missing, unknown or out of range; `key` is its path: `averages.main.eta`.
    case invalidSettings(key: String, given: String, allowed: String)
    case invalidReport(detail: String)
    case staleStep(trainer: String, given: Int, last: Int)
    /// The same step, or the same idempotency key, is being handled by another request.
    case inProgress(detail: String)
    case idempotencyKeyReused(key: String)
    case tooManyUploads(limit: Int, in: UploadScope)
    case quotaExceeded(detail: String)
    case model(ModelError)
    /// The file of an upload by reference may not be read.
    case fileForbidden(detail: String)
    case fileNotFound(detail: String)
    case layoutMismatch(tensor: String, expected: String, received: String)
    /// `index` is the flat element index in the tensor, row-major.
    case nonFinite(tensor: String, index: Int, average: String)
    case insufficientStorage(detail: String)
    /// The upload whose turn it was fell below `Limits.leaseRate` while others waited.
    case leaseExpired(detail: String)
    case shuttingDown
    /// What is on disk is not known after a failed sync: nothing is changed until a restart.
    case readOnly(session: String, reason: String)
    /// The session's files cannot be read; `reason` names what is wrong.
    case damaged(session: String, reason: String)
    case storageFailed(detail: String)
}

/// Where uploads are counted.
public enum UploadScope: Sendable, Equatable {
    /// Those that wait in one session.
    case session
    /// All that are in progress.
    case service
    /// Those of one identity that are in progress.
    case identity
}

extension SessionError {
    init(_ error: StorageError) {
        switch error {
        case .noSpace: self = .insufficientStorage(detail: "\(error)")
        default: self = .storageFailed(detail: "\(error)")
        }
    }

    /// What an `errno` of `doing` stands for.
    static func system(_ code: Int32, _ doing: String) -> SessionError {
        let detail = "\(doing): \(String(cString: strerror(code)))"
        return [ENOSPC, EDQUOT, ENOMEM].contains(code)
            ? .insufficientStorage(detail: detail) : .storageFailed(detail: detail)
    }
}
