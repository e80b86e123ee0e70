import HTTPWire
import ServiceLimits
import Sessions
import TensorFormats
import Tensors

// Reading averages and their tensors.

extension PolyakService {
    func getModel(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        try getRepresentation(request, exchange) { model throws(Refusal) in
            if let format = request.query.first("format") {
                guard format == "safetensors" else {
                    throw Refusal.notAcceptable("format \"\(format.prefix(32))\"", "safetensors")
                }
            } else {
                _ = try request.accepted([
                    "application/vnd.safetensors", "application/octet-stream",
                ])
            }
            return .safetensors(model, as: try request.outputType())
        }
    }

    func getTensor(
        _ request: Request, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        try getRepresentation(request, exchange) { model throws(Refusal) in
            guard let tensor = request.query.first("name") ?? request.path.tensor else {
                throw Refusal(
                    ProblemKind.malformedRequest.problem(
                        "name the tensor in the path, or with ?name="))
            }
            guard let index = model.layout.index(of: tensor) else {
                throw Refusal(.tensorNotFound(tensor: String(tensor.prefix(200))))
            }
            let form = try request.accepted(["application/x-npy", "application/octet-stream"])
            let type = try request.outputType()
            let entry = model.layout.entries[index]
            let header =
                form == "application/x-npy"
                ? NPYWriter.header(
                    elementType: type.elementType(for: entry), shape: entry.model.shape)
                : nil
            return .tensor(entry, of: model, as: type, header: header)
        }
    }

    /// Finds the average, lets `choose` pick a form of it, and answers as conditions and range say;
    /// waits for a change first when the client prefers that to 304.
    private func getRepresentation(
        _ request: Request, _ exchange: any Exchange,
        choose: @escaping @Sendable (PublishedModel) throws(Refusal) -> ModelRepresentation
    ) throws(Refusal) -> BodyDisposition {
        let (name, average) = (request.path.session, request.path.average)
        let session = try refusing(store.session(name))
        let model: PublishedModel
        do { model = try session.model(of: average) } catch {
            // The query's errors come after 404 for the path, but a client that mistypes a
            // parameter should not wait for the first average to learn of it.
            if case .averagingNotStarted = error { try request.checkQuery() }
            throw Refusal(error)
        }
        try request.checkQuery()
        let representation = try choose(model).coded(request.requiredCoding)
        let decision = request.decision(on: representation)
        if decision == .notModified, let seconds = PreferHeader.wait(request.fields.list("prefer")),
            seconds > 0, !store.isStopping
        {
            let longest = min(.seconds(seconds), limits.longPoll)
            try wait(for: model, of: session, atMost: longest, exchange) { [self] in
                do throws(Refusal) {
                    let session = try refusing(store.session(name))
                    let model = try refusing(session.model(of: average))
                    let representation = try choose(model).coded(request.requiredCoding)
                    return answer(
                        representation, request.decision(on: representation), request, exchange,
                        waited: true)
                } catch {
                    return error.problem.response()
                }
            }
        } else {
            exchange.respond(answer(representation, decision, request, exchange, waited: false))
        }
        return .discard
    }

    /// Answers when there is a newer model, or the time is over (RFC 7240 section 4.3).
    ///
    /// - Parameter answer: looks at the average afresh.
    private func wait(
        for model: PublishedModel, of session: Session, atMost time: Duration,
        _ exchange: any Exchange, answer: @escaping @Sendable () -> Response
    ) throws(Refusal) {
        let token = try refusing(
            session.wait(for: model.average, changedSince: model.revision, atMost: time) {
                exchange.respond(answer())
            })
        guard let token else { return exchange.respond(answer()) }
        exchange.onCancel { session.cancelWait(token) }
        // A stop wakes those that wait; this one may have begun just after.
        if store.isStopping { session.endWait(token) }
    }

    private func answer(
        _ representation: ModelRepresentation, _ decision: Conditions.Decision,
        _ request: Request, _ exchange: any Exchange, waited: Bool
    ) -> Response {
        let model = representation.model
        var fields: [(name: String, value: String)] = [
            ("ETag", representation.etag.fieldValue),
            ("Polyak-Revision", String(model.revision)),
            ("Polyak-Average-Counter", String(model.count)),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept, Accept-Encoding"),
        ]
        if waited { fields.append(("Preference-Applied", "wait")) }
        switch decision {
        case .notModified: return Response(status: 304, fields: fields)
        case .preconditionFailed:
            return ProblemKind.preconditionFailed.problem(
                "the average is now \(representation.etag.fieldValue)", fields: fields
            ).response()
        case .proceed(let honorsRange):
            fields.append(("Content-Type", representation.contentType))
            if let coding = representation.coding {
                fields.append(("Content-Encoding", coding.rawValue))
                fields.append(("Accept-Ranges", "none"))
                return Response(
                    status: 200, fields: fields,
                    body: representation.codedBody(coding, of: exchange))
            }
            fields.append(("Accept-Ranges", "bytes"))
            let range =
                honorsRange ? request.fields.list("range") : nil
            return ranged(representation, range, exchange, fields)
        }
    }

    private func ranged(
        _ representation: ModelRepresentation, _ field: String?, _ exchange: any Exchange,
        _ fields: [(name: String, value: String)]
    ) -> Response {
        let length = representation.byteCount
        switch ByteRange(field, length: length) {
        case .whole:
            return Response(
                status: 200, fields: fields, body: representation.body(0..<length, of: exchange))
        case .satisfiable(let range):
            let value = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
            return Response(
                status: 206, fields: fields + [("Content-Range", value)],
                body: representation.body(range, of: exchange))
        case .unsatisfiable:
            return ProblemKind.rangeNotSatisfiable.problem(
                "the representation has \(length) bytes",
                fields: [("Content-Range", "bytes */\(length)")]
            ).response()
        }
    }
}

extension Refusal {
    static func notAcceptable(_ given: String, _ allowed: String) -> Refusal {
        Refusal(
            ProblemKind.notAcceptable.problem(
                "\(given) is not available here; available: \(allowed)"))
    }
}

extension Request {
    /// The coding of what gains nothing from one: models are sent plain unless the client refuses
    /// that in so many words.
    var requiredCoding: ContentCoding? {
        guard fields.contains("accept-encoding") else { return nil }
        return AcceptEncoding.required(by: fields.list("accept-encoding"))
    }

    func decision(on representation: ModelRepresentation) -> Conditions.Decision {
        Conditions.evaluate(fields, method: method, current: representation.etag)
    }

    /// `?dtype=`, by default the stored type.
    func outputType() throws(Refusal) -> OutputType {
        guard let name = query.first("dtype") else { return .stored }
        guard let type = OutputType(name: name) else {
            throw Refusal.notAcceptable("dtype \"\(name.prefix(32))\"", OutputType.allowed)
        }
        return type
    }

    /// The media type among `offered` that the client likes best.
    func accepted(_ offered: [String]) throws(Refusal) -> String {
        guard let field = fields.list("accept") else { return offered[0] }
        guard let type = AcceptHeader(field).best(of: offered) else {
            throw Refusal.notAcceptable(
                "Accept: \(field.prefix(100))", offered.joined(separator: ", "))
        }
        return type
    }
}
