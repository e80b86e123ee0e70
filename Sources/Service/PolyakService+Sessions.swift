import HTTPWire
import ServiceLimits
import Sessions
import StrictJSON

// Sessions, reports, health and the explanations of problems.

extension PolyakService {
    func create(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        let name = request.path.session
        try request.checkQuery()
        let coding = try contentCoding(request)
        try checkIsJSON(request)
        guard ResourceName.isValid(name) else {
            throw Refusal(
                .invalidSettings(
                    key: "session", given: "\"\(name.prefix(140))\"",
                    allowed: ResourceName.allowed))
        }
        if request.head.body == .none { throw Refusal(Self.noSettings) }
        try checkLength(request, coding, limit: limits.jsonBytes, "the settings")
        return .accept(
            collecting(coding, "the settings", exchange) { bytes in
                self.create(name, from: bytes, request.identity, exchange)
            })
    }

    private static let noSettings = SessionError.invalidSettings(
        key: "the body", given: "nothing",
        allowed: "the settings, for example {\"strategy\": \"alpha_suffix\", \"epochs\": 10}")

    private func create(
        _ name: String, from bytes: [UInt8], _ identity: Identity, _ exchange: any Exchange
    ) {
        do throws(Refusal) {
            if bytes.isEmpty { throw Refusal(Self.noSettings) }
            let json = try readJSON(bytes)
            let settings = try refusing(SessionSettings(json, maximumAverages: limits.averages))
            store.create(name, settings: settings, owner: identity.name) { result in
                switch result {
                case .success(.created(let session)):
                    var response = Response.json(session.stateJSON(), status: 201)
                    response.fields.append(("Location", "/v1/sessions/\(name)"))
                    exchange.respond(response)
                case .success(.existed(let session)):
                    exchange.respond(.json(session.stateJSON()))
                case .failure(let error): exchange.respond(Problem(error).response())
                }
            }
        } catch {
            exchange.respond(error.problem.response())
        }
    }

    func list(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        try request.checkQuery()
        var limit = 100
        if let text = request.query.first("limit") {
            guard let number = Int(text), (1...1000).contains(number),
                text.utf8.first != UInt8(ascii: "+")
            else {
                throw Refusal(
                    ProblemKind.malformedRequest.problem(
                        "limit is \"\(text.prefix(32))\"; allowed is an integer from 1 to 1000"))
            }
            limit = number
        }
        let (sessions, hasMore) = store.list(
            after: request.query.first("after"), prefix: request.identity.sessionPrefix,
            limit: limit)
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("sessions")
        writer.beginArray()
        for session in sessions { session.writeSummary(to: &writer) }
        writer.endArray()
        writer.key("next")
        if hasMore, let last = sessions.last { writer.string(last.name) } else { writer.null() }
        writer.endObject()
        return exchange.answer(.json(writer.bytes))
    }

    func show(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        let session = try refusing(store.session(request.path.session))
        try request.checkQuery()
        return exchange.answer(.json(session.stateJSON()))
    }

    func delete(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        try request.checkQuery()
        store.delete(request.path.session) { exchange.respond(Response(noContent: $0)) }
        return .discard
    }

    // MARK: Reports

    func report(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        let session = try refusing(store.session(request.path.session))
        try request.checkQuery()
        let coding = try contentCoding(request)
        try checkIsJSON(request)
        try checkHasBody(request)
        try checkLength(request, coding, limit: limits.jsonBytes, "a report")
        try checkRunning()
        let key = try request.idempotencyKey()
        return .accept(
            collecting(coding, "a report", exchange) { bytes in
                self.report(bytes, key, to: session, request, exchange)
            })
    }

    private func report(
        _ bytes: [UInt8], _ key: String?, to session: Session, _ request: Request,
        _ exchange: any Exchange
    ) {
        do throws(Refusal) {
            let json = try readJSON(bytes)
            let report = try refusing(Report(json))
            let fingerprint = key.map { _ in
                RequestFingerprint(
                    head: request.fingerprintHead,
                    body: BodyDigest.of(bytes, limit: limits.fingerprintBytes))
            }
            session.report(report, key: key, fingerprint: fingerprint) { result in
                exchange.respond(Response(result))
            }
        } catch {
            exchange.respond(error.problem.response())
        }
    }

    /// Takes a JSON body.
    private func collecting(
        _ coding: ContentCoding?, _ what: String, _ exchange: any Exchange,
        complete: @escaping ([UInt8]) -> Void
    ) -> any BodySink {
        let sink = CollectingSink(document(what), exchange: exchange, complete: complete)
        return decoding(coding, into: sink, limit: limits.jsonBytes, what, exchange)
    }

    /// Room for a JSON body; `what` is its name in a refusal.
    func document(_ what: String) -> DocumentBuffer {
        DocumentBuffer(limit: limits.jsonBytes, what: what, budget: documents)
    }

    private func readJSON(_ bytes: [UInt8]) throws(Refusal) -> JSONValue {
        do {
            // NaN and Infinity are read, so that the refusal can name the key they were given for.
            return try JSONReader.read(
                bytes, maximumDepth: limits.jsonDepth, allowsNonFiniteNumbers: true)
        } catch {
            throw Refusal(ProblemKind.malformedJSON.problem(error.description))
        }
    }

    // MARK: The service itself

    func page(_ request: Request, _ exchange: any Exchange) -> BodyDisposition {
        exchange.answer(LandingPage.response)
    }

    func live(_ request: Request, _ exchange: any Exchange) -> BodyDisposition {
        exchange.answer(.text("ok\n"))
    }

    func ready(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        try request.checkQuery()
        guard !store.isStopping else { throw Refusal(Problem.shuttingDown) }
        let isBrief = request.query.first("verbose") == nil
        return exchange.answer(.text(isBrief ? "ok\n" : "sessions: ok\nok\n"))
    }

    func explain(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        let name = request.path.problem
        guard let kind = ProblemKind.all.first(where: { $0.name == name }) else {
            throw Refusal(
                ProblemKind.notFound.problem(
                    "there is no problem \"\(name.prefix(64))\"; there are "
                        + ProblemKind.all.map(\.name).joined(separator: ", ")))
        }
        return exchange.answer(
            .text("\(kind.name) (\(kind.status)): \(kind.title).\n\n\(kind.explanation)\n"))
    }

    // MARK: Checks of the head

    /// Refuses a body that is declared to be something else than JSON. What many clients send
    /// unless they are told otherwise declares nothing: `text/plain`, which a browser's `fetch`
    /// calls every string, and bytes.
    private func checkIsJSON(_ request: Request) throws(Refusal) {
        guard let type = request.mediaType, !type.hasSuffix("/json"), !type.hasSuffix("+json"),
            !["", "text/plain", "application/octet-stream"].contains(type)
        else { return }
        throw Refusal(
            ProblemKind.unsupportedFormat.problem(
                "Content-Type \(type.prefix(64)) is not supported here; send application/json",
                fields: [("Accept", "application/json")]))
    }

    func checkHasBody(_ request: Request) throws(Refusal) {
        if request.head.body == .none {
            throw Refusal(
                ProblemKind.lengthRequired.problem(
                    "the request has neither Content-Length nor Transfer-Encoding: chunked"))
        }
    }

    func checkRunning() throws(Refusal) {
        if store.isStopping { throw Refusal(Problem.shuttingDown) }
    }
}

extension Response {
    /// 204, or why not.
    init(noContent result: Result<Void, SessionError>) {
        switch result {
        case .success: self.init(status: 204)
        case .failure(let error): self = Problem(error).response()
        }
    }

    /// An answer of the sessions layer.
    init(_ result: Result<[UInt8], SessionError>) {
        switch result {
        case .success(let bytes): self = .json(bytes)
        case .failure(let error): self = Problem(error).response()
        }
    }
}
