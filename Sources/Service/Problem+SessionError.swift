import HTTPWire
import Sessions
import TensorFormats

extension Problem {
    /// What a client sees of a refusal by the sessions layer.
    init(_ error: SessionError) {
        switch error {
        case .sessionNotFound(let session):
            self = ProblemKind.sessionNotFound.problem(
                "there is no session \"\(session)\"; create it with PUT /v1/sessions/\(session)")
        case .sessionExists(let session):
            self = ProblemKind.sessionExists.problem(
                "session \"\(session)\" exists with other settings: use another name, "
                    + "or DELETE it first")
        case .averageNotFound(let average, let known):
            self = ProblemKind.averageNotFound.problem(
                "there is no average \"\(average)\"; this session has "
                    + known.joined(separator: ", ")
            )
        case .averagingNotStarted(let detail):
            self = ProblemKind.averagingNotStarted.problem(detail)
        case .tensorNotFound(let tensor):
            self = ProblemKind.tensorNotFound.problem("the average has no tensor \"\(tensor)\"")
        case .cachedNotFound(let trainer):
            self = ProblemKind.notFound.problem(
                "no weights are cached for trainer \"\(trainer)\"; PUT them first")
        case .invalidSettings(let key, let given, let allowed):
            self = ProblemKind.invalidSettings.problem(
                "\(key): given \(given); allowed is \(allowed)",
                extensions: [
                    ("key", Problem.jsonString(key)), ("given", Problem.jsonString(given)),
                    ("allowed", Problem.jsonString(allowed)),
                ])
        case .invalidReport(let detail): self = ProblemKind.invalidReport.problem(detail)
        default: self.init(uploadError: error)
        }
    }

    /// The errors that only uploads meet, and those of the service's limits.
    private init(uploadError error: SessionError) {
        switch error {
        case .staleStep(let trainer, let given, let last):
            self = ProblemKind.staleStep.problem(
                "step \(given) of trainer \"\(trainer)\" is not after its last, \(last)",
                extensions: [("last_step", String(last))])
        case .inProgress(let detail):
            self = ProblemKind.inProgress.problem(detail, fields: [("Retry-After", "1")])
        case .idempotencyKeyReused(let key):
            self = ProblemKind.idempotencyKeyReused.problem(
                "Idempotency-Key \"\(key)\" was used for another request: use a new key")
        case .tooManyUploads(let limit, let scope):
            let detail =
                switch scope {
                case .session: "uploads and reports already wait in this session"
                case .service: "uploads are already in progress, as many as the service takes"
                case .identity: "uploads of yours are already in progress, as many as one may have"
                }
            self = ProblemKind.tooManyUploads.problem(
                "\(limit) \(detail)",
                fields: [("Retry-After", "1")])
        case .quotaExceeded(let detail): self = ProblemKind.quotaExceeded.problem(detail)
        case .model(let error): self.init(error)
        case .fileForbidden(let detail): self = ProblemKind.forbidden.problem(detail)
        case .fileNotFound(let detail): self = ProblemKind.notFound.problem(detail)
        case .layoutMismatch(let tensor, let expected, let received):
            self = ProblemKind.layoutMismatch.problem(
                "tensor \"\(tensor)\": expected \(expected), received \(received)",
                extensions: [
                    ("tensor", Problem.jsonString(tensor)),
                    ("expected", Problem.jsonString(expected)),
                    ("received", Problem.jsonString(received)),
                ])
        case .nonFinite(let tensor, let index, let average):
            self = ProblemKind.nonFinite.problem(
                "average \"\(average)\": element \(index) of tensor \"\(tensor)\" would not be "
                    + "finite; nothing was folded",
                extensions: [("tensor", Problem.jsonString(tensor)), ("index", String(index))])
        case .insufficientStorage(let detail):
            self = ProblemKind.insufficientStorage.problem(detail)
        case .leaseExpired(let detail):
            self = ProblemKind.requestTimeout.problem(detail)
        case .readOnly(let session, let reason):
            self = ProblemKind.sessionReadOnly.problem("session \"\(session)\": \(reason)")
        case .damaged(let session, let reason):
            self = ProblemKind.sessionDamaged.problem(
                "session \"\(session)\" cannot be read: \(reason)")
        case .storageFailed(let detail):
            self = ProblemKind.internalError.problem(detail)
        case .shuttingDown: self = .shuttingDown
        default: preconditionFailure("\(error) has no problem")
        }
    }

    private init(_ error: ModelError) {
        let tensor = error.tensor.map { [(name: "tensor", json: Problem.jsonString($0))] } ?? []
        switch error.category {
        case .malformed:
            let offset = error.offset.map { [(name: "offset", json: String($0))] } ?? []
            self = ProblemKind.malformedModel.problem(
                error.description, extensions: offset + tensor)
        case .unsupported:
            self = ProblemKind.unsupportedFormat.problem(error.description, extensions: tensor)
        case .tooLarge:
            var extensions = tensor
            if case .tooLarge(_, let limit) = error { extensions.append(("limit", String(limit))) }
            self = ProblemKind.tooLarge.problem(error.description, extensions: extensions)
        }
    }

    static var shuttingDown: Problem {
        ProblemKind.shuttingDown.problem(
            "the service is stopping: send the request again in a moment",
            fields: [("Retry-After", "5")])
    }

    static func tooLarge(limit: Int, _ what: String) -> Problem {
        ProblemKind.tooLarge.problem(
            "\(what) may have at most \(limit) bytes", extensions: [("limit", String(limit))])
    }
}
