import HTTPWire

/// Every error of the API (http-api.md, "Errors"), by the name in its `type`.
enum ProblemKind: String, CaseIterable {
    case malformedRequest = "malformed-request"
    case malformedModel = "malformed-model"
    case malformedJSON = "malformed-json"
    case malformedEncoding = "malformed-encoding"
    case unknownParameter = "unknown-parameter"
    case unauthenticated = "unauthenticated"
    case forbidden = "forbidden"
    case sessionNotFound = "session-not-found"
    case averageNotFound = "average-not-found"
    case tensorNotFound = "tensor-not-found"
    case averagingNotStarted = "averaging-not-started"
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case notAcceptable = "not-acceptable"
    case requestTimeout = "request-timeout"
    case sessionExists = "session-exists"
    case staleStep = "stale-step"
    case inProgress = "in-progress"
    case lengthRequired = "length-required"
    case preconditionFailed = "precondition-failed"
    case tooLarge = "too-large"
    case uriTooLong = "uri-too-long"
    case unsupportedFormat = "unsupported-format"
    case rangeNotSatisfiable = "range-not-satisfiable"
    case expectationFailed = "expectation-failed"
    case invalidSettings = "invalid-settings"
    case invalidReport = "invalid-report"
    case layoutMismatch = "layout-mismatch"
    case nonFinite = "non-finite"
    case idempotencyKeyReused = "idempotency-key-reused"
    case tooManyUploads = "too-many-uploads"
    case quotaExceeded = "quota-exceeded"
    case headersTooLarge = "headers-too-large"
    case internalError = "internal-error"
    case notImplemented = "not-implemented"
    case shuttingDown = "shutting-down"
    case overloaded = "overloaded"
    case sessionReadOnly = "session-read-only"
    case sessionDamaged = "session-damaged"
    case versionNotSupported = "version-not-supported"
    case insufficientStorage = "insufficient-storage"

    var status: Int {
        switch self {
        case .malformedRequest, .malformedModel, .malformedJSON, .malformedEncoding,
            .unknownParameter:
            400
        case .unauthenticated: 401
        case .forbidden: 403
        case .sessionNotFound, .averageNotFound, .tensorNotFound, .averagingNotStarted, .notFound:
            404
        case .methodNotAllowed: 405
        case .notAcceptable: 406
        case .requestTimeout: 408
        case .sessionExists, .staleStep, .inProgress: 409
        case .lengthRequired: 411
        case .preconditionFailed: 412
        case .tooLarge: 413
        case .uriTooLong: 414
        case .unsupportedFormat: 415
        case .rangeNotSatisfiable: 416
        case .expectationFailed: 417
        case .invalidSettings, .invalidReport, .layoutMismatch, .nonFinite, .idempotencyKeyReused:
            422
        case .tooManyUploads, .quotaExceeded: 429
        case .headersTooLarge: 431
        case .internalError: 500
        case .notImplemented: 501
        case .shuttingDown, .overloaded, .sessionReadOnly, .sessionDamaged: 503
        case .versionNotSupported: 505
        case .insufficientStorage: 507
        }
    }

    /// The same words for every problem of this kind.
    var title: String {
        switch self {
        case .malformedRequest: "The request is malformed"
        case .malformedModel: "The model's file is malformed"
        case .malformedJSON: "The body is not valid JSON"
        case .malformedEncoding: "The body's content coding is damaged"
        case .unknownParameter: "The query has a parameter that this resource does not take"
        case .unauthenticated: "Nobody known sent the request"
        case .forbidden: "The request is not allowed"
        case .sessionNotFound: "There is no such session"
        case .averageNotFound: "The session has no such average"
        case .tensorNotFound: "The average has no such tensor"
        case .averagingNotStarted: "There is no averaged model yet"
        case .notFound: "There is no such resource"
        case .methodNotAllowed: "The resource does not take this method"
        case .notAcceptable: "The resource is not available in the form asked for"
        case .requestTimeout: "The request came too slowly"
        case .sessionExists: "The session exists with other settings"
        case .staleStep: "The trainer has already uploaded a later step"
        case .inProgress: "The same request is in progress"
        case .lengthRequired: "The request has no body and no length"
        case .preconditionFailed: "The representation is not the expected one"
        case .tooLarge: "The body is larger than a limit"
        case .uriTooLong: "The request line is too long"
        case .unsupportedFormat: "The body's format is not supported"
        case .rangeNotSatisfiable: "The range lies outside the representation"
        case .expectationFailed: "The expectation cannot be met"
        case .invalidSettings: "The session's settings are invalid"
        case .invalidReport: "The report is invalid"
        case .layoutMismatch: "The model differs from the session's layout"
        case .nonFinite: "The averaged result would not be finite"
        case .idempotencyKeyReused: "The idempotency key was used for another request"
        case .tooManyUploads: "Too many uploads are in progress"
        case .quotaExceeded: "A limit of the service is reached"
        case .headersTooLarge: "The header fields are too large"
        case .internalError: "The service failed"
        case .notImplemented: "The request needs something that is not implemented"
        case .shuttingDown: "The service is stopping"
        case .overloaded: "The service has too much to do at once"
        case .sessionReadOnly: "The session takes no changes until the service is restarted"
        case .sessionDamaged: "The session's files are damaged"
        case .versionNotSupported: "The HTTP version is not supported"
        case .insufficientStorage: "There is no room for this"
        }
    }

    /// What causes it and what to do, for `/problems/{name}`.
    var explanation: String {
        switch self {
        case .malformedRequest:
            "The request breaks RFC 9110 or 9112, or a path, query or field cannot be read. "
                + "`detail` says where. After a framing error the connection is closed."
        case .malformedModel:
            "The body breaks the rules of its format; `offset` and `tensor` say where. Nothing of "
                + "it was folded. Write the file again with the format's own library."
        case .malformedJSON:
            "The body must be one JSON document (RFC 8259) in UTF-8 without duplicate names."
        case .malformedEncoding:
            "The body is not what Content-Encoding says: other bytes, a wrong checksum, an end too "
                + "early, or more behind the end. Nothing of it was kept. gzip is RFC 1952, "
                + "deflate the zlib format of RFC 1950; without Content-Encoding the body is read "
                + "as it is."
        case .unknownParameter:
            "Parameters are checked, so that a misspelt one is not ignored in silence."
        case .unauthenticated:
            "Send `Authorization: Bearer TOKEN`, once, with a token that the operator of the "
                + "service made (`polyak token`), or use a client certificate that they entered. "
                + "A token that is missing, unknown or withdrawn gets this same answer."
        case .forbidden:
            "The sender's role does not allow this (`read` is for GET, `train` for PUT and POST "
                + "too, `admin` to DELETE sessions), or the session's name does not have their "
                + "prefix, or a web page of another place sent the request, or a file was named "
                + "that may not be read: only clients of this host name files, regular ones "
                + "beneath the setting local-files without a symbolic link on the way, or pass "
                + "their descriptors. `detail` says which."
        case .sessionNotFound: "Create it with PUT /v1/sessions/{session}, or check its name."
        case .averageNotFound: "`detail` lists the averages that the session has."
        case .tensorNotFound: "Tensor names are those of the uploaded model."
        case .averagingNotStarted:
            "The average's trigger has not fired, or nothing was folded since. Keep the trainer's "
                + "own weights until then."
        case .notFound: "The path is none of the API's."
        case .methodNotAllowed: "`Allow` lists the methods of this resource."
        case .notAcceptable: "`detail` lists the formats and element types there are."
        case .requestTimeout:
            "The head must come within seconds, the body at a minimum rate; while others wait, the "
                + "upload whose turn it is must be faster. Send it again."
        case .sessionExists:
            "PUT with other settings does not change a session. Use another name, or DELETE it."
        case .staleStep:
            "Steps of one trainer must rise. The model was not folded; there is nothing to retry."
        case .inProgress: "Wait as `Retry-After` says, then send the request again."
        case .lengthRequired: "Send Content-Length, or Transfer-Encoding: chunked."
        case .preconditionFailed: "The average has changed: read it again without If-Match."
        case .tooLarge:
            "`limit` gives the bound in bytes, of a coded body that of its decoded bytes, or how "
                + "many times its coded size that may be. The operator can raise it."
        case .uriTooLong: "Shorten the path or the query."
        case .unsupportedFormat:
            "Send safetensors, plain or under Content-Encoding gzip or deflate. A PyTorch file is "
                + "converted with safetensors.torch.save_file("
                + "model.state_dict(), \"model.safetensors\")."
        case .rangeNotSatisfiable: "`Content-Range` gives the representation's length."
        case .expectationFailed: "Only Expect: 100-continue is known."
        case .invalidSettings: "`detail` names the key, what was given and what is allowed."
        case .invalidReport: "Nothing was logged. `detail` says what is wrong."
        case .layoutMismatch:
            "The first folded model fixes the names, shapes and kinds of tensors. `tensor`, "
                + "`expected` and `received` name the first difference."
        case .nonFinite:
            "Folding this model would put NaN or infinity into the average. Nothing was folded. "
                + "Create the session with \"non_finite\": \"propagate\" to allow it."
        case .idempotencyKeyReused: "Use a new key for each distinct request."
        case .tooManyUploads: "Wait as `Retry-After` says, or send fewer uploads at once."
        case .quotaExceeded: "`detail` names the limit."
        case .headersTooLarge: "Send fewer or shorter header fields."
        case .internalError: "This is a defect of the service; its log has more."
        case .notImplemented: "The transfer coding or feature is not known here."
        case .shuttingDown: "Send the request again in a moment: the service may be restarting."
        case .overloaded:
            "The memory for requests of this kind is spent. Send it again as `Retry-After` says."
        case .sessionReadOnly:
            "The disk failed to confirm a write, so what it holds is not known. Reading works. "
                + "Look at the disk, then restart the service."
        case .sessionDamaged:
            "A checksum or a file's form is wrong; the damage is in the log. The other sessions "
                + "work. DELETE the session, or restore its files while the service is stopped."
        case .versionNotSupported: "Use HTTP/1.1."
        case .insufficientStorage:
            "The runtime directory or a memory budget is full. Nothing was changed. Make room, "
                + "or DELETE a session."
        }
    }

    func problem(
        _ detail: String, extensions: [(name: String, json: String)] = [],
        fields: [(name: String, value: String)] = []
    ) -> Problem {
        Problem(
            name: rawValue, status: status, title: title, detail: detail, extensions: extensions,
            fields: fields)
    }
}
