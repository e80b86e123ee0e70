import HTTPWire

/// A kind of error of the API (http-api.md, "Errors"): what every request is told that meets it.
struct ProblemKind: Sendable {
    /// The last part of its `type`.
    let name: String
    let status: Int
    let title: String
    /// What causes it and what to do, for `/problems/{name}`.
    let explanation: String

    private init(_ status: Int, _ name: String, _ title: String, _ explanation: String) {
        self.status = status
        self.name = name
        self.title = title
        self.explanation = explanation
    }

    func problem(
        _ detail: String, extensions: [(name: String, json: String)] = [],
        fields: [(name: String, value: String)] = []
    ) -> Problem {
        Problem(
            name: name, status: status, title: title, detail: detail, extensions: extensions,
            fields: fields)
    }

    static let malformedRequest = ProblemKind(
        400, "malformed-request", "The request is malformed",
        """
        The request breaks RFC 9110 or 9112, or a path, query or field cannot be read. `detail` \
        says where. After a framing error the connection is closed.
        """)
    static let malformedModel = ProblemKind(
        400, "malformed-model", "The model's file is malformed",
        """
        The body breaks the rules of its format; `offset` and `tensor` say where. Nothing of it \
        was folded. Write the file again with the format's own library.
        """)
    static let malformedJSON = ProblemKind(
        400, "malformed-json", "The body is not valid JSON",
        "The body must be one JSON document (RFC 8259) in UTF-8 without duplicate names.")
    static let malformedEncoding = ProblemKind(
        400, "malformed-encoding", "The body's content coding is damaged",
        """
        The body is not what Content-Encoding says: other bytes, a wrong checksum, an end too \
        early, or more behind the end. Nothing of it was kept. gzip is RFC 1952, deflate the zlib \
        format of RFC 1950; without Content-Encoding the body is read as it is.
        """)
    static let unknownParameter = ProblemKind(
        400, "unknown-parameter", "The query has a parameter that this resource does not take",
        "Parameters are checked, so that a misspelt one is not ignored in silence.")
    static let unauthenticated = ProblemKind(
        401, "unauthenticated", "Nobody known sent the request",
        """
        Send `Authorization: Bearer TOKEN`, once, with a token that the operator of the service \
        made (`polyak token`), or use a client certificate that they entered. A token that is \
        missing, unknown or withdrawn gets this same answer.
        """)
    static let forbidden = ProblemKind(
        403, "forbidden", "The request is not allowed",
        """
        The sender's role does not allow this (`read` is for GET, `train` for PUT and POST too, \
        `admin` to DELETE sessions), or the session's name does not have their prefix, or a web \
        page of another place sent the request, or a file was named that may not be read: only \
        clients of this host name files, regular ones beneath the setting local-files without a \
        symbolic link on the way, or pass their descriptors. `detail` says which.
        """)
    static let sessionNotFound = ProblemKind(
        404, "session-not-found", "There is no such session",
        "Create it with PUT /v1/sessions/{session}, or check its name.")
    static let averageNotFound = ProblemKind(
        404, "average-not-found", "The session has no such average",
        "`detail` lists the averages that the session has.")
    static let tensorNotFound = ProblemKind(
        404, "tensor-not-found", "The average has no such tensor",
        "Tensor names are those of the uploaded model.")
    static let averagingNotStarted = ProblemKind(
        404, "averaging-not-started", "There is no averaged model yet",
        """
        The average's trigger has not fired, or nothing was folded since. Keep the trainer's own \
        weights until then.
        """)
    static let notFound = ProblemKind(
        404, "not-found", "There is no such resource",
        "The path is none of the API's.")
    static let methodNotAllowed = ProblemKind(
        405, "method-not-allowed", "The resource does not take this method",
        "`Allow` lists the methods of this resource.")
    static let notAcceptable = ProblemKind(
        406, "not-acceptable", "The resource is not available in the form asked for",
        "`detail` lists the formats and element types there are.")
    static let requestTimeout = ProblemKind(
        408, "request-timeout", "The request came too slowly",
        """
        The head must come within seconds, the body at a minimum rate; while others wait, the \
        upload whose turn it is must be faster. Send it again.
        """)
    static let sessionExists = ProblemKind(
        409, "session-exists", "The session exists with other settings",
        "PUT with other settings does not change a session. Use another name, or DELETE it.")
    static let staleStep = ProblemKind(
        409, "stale-step", "The trainer has already uploaded a later step",
        "Steps of one trainer must rise. The model was not folded; there is nothing to retry.")
    static let inProgress = ProblemKind(
        409, "in-progress", "The same request is in progress",
        "Wait as `Retry-After` says, then send the request again.")
    static let lengthRequired = ProblemKind(
        411, "length-required", "The request has no body and no length",
        "Send Content-Length, or Transfer-Encoding: chunked.")
    static let preconditionFailed = ProblemKind(
        412, "precondition-failed", "The representation is not the expected one",
        "The average has changed: read it again without If-Match.")
    static let tooLarge = ProblemKind(
        413, "too-large", "The body is larger than a limit",
        """
        `limit` gives the bound in bytes, of a coded body that of its decoded bytes, or how many \
        times its coded size that may be. The operator can raise it.
        """)
    static let uriTooLong = ProblemKind(
        414, "uri-too-long", "The request line is too long",
        "Shorten the path or the query.")
    static let unsupportedFormat = ProblemKind(
        415, "unsupported-format", "The body's format is not supported",
        """
        Send safetensors, plain or under Content-Encoding gzip or deflate. A PyTorch file is \
        converted with safetensors.torch.save_file(model.state_dict(), "model.safetensors").
        """)
    static let rangeNotSatisfiable = ProblemKind(
        416, "range-not-satisfiable", "The range lies outside the representation",
        "`Content-Range` gives the representation's length.")
    static let expectationFailed = ProblemKind(
        417, "expectation-failed", "The expectation cannot be met",
        "Only Expect: 100-continue is known.")
    static let invalidSettings = ProblemKind(
        422, "invalid-settings", "The session's settings are invalid",
        "`detail` names the key, what was given and what is allowed.")
    static let invalidReport = ProblemKind(
        422, "invalid-report", "The report is invalid",
        "Nothing was logged. `detail` says what is wrong.")
    static let layoutMismatch = ProblemKind(
        422, "layout-mismatch", "The model differs from the session's layout",
        """
        The first folded model fixes the names, shapes and kinds of tensors. `tensor`, `expected` \
        and `received` name the first difference.
        """)
    static let nonFinite = ProblemKind(
        422, "non-finite", "The averaged result would not be finite",
        """
        Folding this model would put NaN or infinity into the average. Nothing was folded. Create \
        the session with "non_finite": "propagate" to allow it.
        """)
    static let idempotencyKeyReused = ProblemKind(
        422, "idempotency-key-reused", "The idempotency key was used for another request",
        "Use a new key for each distinct request.")
    static let tooManyUploads = ProblemKind(
        429, "too-many-uploads", "Too many uploads are in progress",
        "Wait as `Retry-After` says, or send fewer uploads at once.")
    static let quotaExceeded = ProblemKind(
        429, "quota-exceeded", "A limit of the service is reached",
        "`detail` names the limit.")
    static let headersTooLarge = ProblemKind(
        431, "headers-too-large", "The header fields are too large",
        "Send fewer or shorter header fields.")
    static let internalError = ProblemKind(
        500, "internal-error", "The service failed",
        "This is a defect of the service; its log has more.")
    static let notImplemented = ProblemKind(
        501, "not-implemented", "The request needs something that is not implemented",
        "The transfer coding or feature is not known here.")
    static let shuttingDown = ProblemKind(
        503, "shutting-down", "The service is stopping",
        "Send the request again in a moment: the service may be restarting.")
    static let overloaded = ProblemKind(
        503, "overloaded", "The service has too much to do at once",
        "The memory for requests of this kind is spent. Send it again as `Retry-After` says.")
    static let sessionReadOnly = ProblemKind(
        503, "session-read-only", "The session takes no changes until the service is restarted",
        """
        The disk failed to confirm a write, so what it holds is not known. Reading works. Look at \
        the disk, then restart the service.
        """)
    static let sessionDamaged = ProblemKind(
        503, "session-damaged", "The session's files are damaged",
        """
        A checksum or a file's form is wrong; the damage is in the log. The other sessions work. \
        DELETE the session, or restore its files while the service is stopped.
        """)
    static let versionNotSupported = ProblemKind(
        505, "version-not-supported", "The HTTP version is not supported",
        "Use HTTP/1.1.")
    static let insufficientStorage = ProblemKind(
        507, "insufficient-storage", "There is no room for this",
        """
        The runtime directory or a memory budget is full. Nothing was changed. Make room, or \
        DELETE a session.
        """)

    /// Every kind there is: one that is missing here has no page.
    static let all = [
        malformedRequest, malformedModel, malformedJSON, malformedEncoding, unknownParameter,
        unauthenticated, forbidden, sessionNotFound, averageNotFound, tensorNotFound,
        averagingNotStarted, notFound, methodNotAllowed, notAcceptable, requestTimeout,
        sessionExists, staleStep, inProgress, lengthRequired, preconditionFailed, tooLarge,
        uriTooLong, unsupportedFormat, rangeNotSatisfiable, expectationFailed, invalidSettings,
        invalidReport, layoutMismatch, nonFinite, idempotencyKeyReused, tooManyUploads,
        quotaExceeded, headersTooLarge, internalError, notImplemented, shuttingDown, overloaded,
        sessionReadOnly, sessionDamaged, versionNotSupported, insufficientStorage,
    ]
}
