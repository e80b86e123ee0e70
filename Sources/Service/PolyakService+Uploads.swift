import HTTPWire
import ServiceLimits
import Sessions

extension PolyakService {
    static let referenceType = "application/vnd.polyak.local-file+json"
    private static let modelTypes = ["application/vnd.safetensors", "application/octet-stream"]

    func upload(_ request: Request, _ exchange: any Exchange) throws(Refusal) -> BodyDisposition {
        let session = try refusing(store.session(request.path.session))
        let isByReference = request.mediaType == PolyakService.referenceType
        if isByReference { try checkIsLocal(request) }
        try request.checkQuery()
        let trainer = try request.trainer()
        let step = try self.step(request)
        try checkWeight(request)
        let coding = try contentCoding(request)
        try checkModelType(request)
        try checkHasBody(request)
        if isByReference {
            try checkLength(request, coding, limit: limits.jsonBytes, "a file's name")
        } else {
            try checkLength(request, coding, limit: limits.modelBytes, "a model")
        }
        try checkRunning()
        let key = try request.idempotencyKey()
        let upload = UploadRequest(
            trainer: trainer, step: step, idempotencyKey: key,
            fingerprintHead: key == nil ? "" : request.fingerprintHead,
            bodyByteCount: decodedLength(request, coding),
            identity: request.identity.name)
        let admission = session.admit(upload, client: UploadExchange(exchange))
        return try begin(admission, request, coding, upload, exchange)
    }

    private func begin(
        _ admission: UploadAdmission, _ request: Request, _ coding: ContentCoding?,
        _ upload: UploadRequest, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        switch admission {
        case .refused(let error): throw Refusal(error)
        case .answered(let answer), .notStarted(let answer):
            return answerWithoutBody(.json(answer), request, exchange)
        case .compare(let fingerprint, let recorded):
            return try compare(fingerprint, recorded, request, coding, upload, exchange)
        case .admitted(let admitted) where request.mediaType == PolyakService.referenceType:
            let sink = ReferenceSink(
                admitted, document("a file's name"), files: localFiles, limits: limits,
                exchange: exchange, needsDigest: upload.idempotencyKey != nil)
            return .accept(
                decoding(coding, into: sink, limit: limits.jsonBytes, "a file's name", exchange))
        case .admitted(let admitted):
            let digest = upload.idempotencyKey.map { _ in
                BodyDigest(limit: limits.fingerprintBytes)
            }
            let sink = UploadSink(
                admitted, exchange: exchange, digest: digest,
                sniffs: request.mediaType != PolyakService.modelTypes[0])
            return .accept(
                decoding(coding, into: sink, limit: limits.modelBytes, "a model", exchange))
        }
    }

    /// The body is not needed: who waits for `100 Continue` is answered now and never sends it;
    /// who does not is answered when it has been read.
    private func answerWithoutBody(
        _ response: Response, _ request: Request, _ exchange: any Exchange
    ) -> BodyDisposition {
        if request.head.expectsContinue {
            exchange.respond(response)
            return .discard
        }
        return .accept(
            DroppingSink(limit: limits.modelBytes, exchange: exchange) { response })
    }

    /// The idempotency key is known: the recorded answer, if it is the same request.
    ///
    /// It is the decoded body that is compared: gzip notes the time in what it makes, so a client
    /// that codes the same model again sends other bytes.
    private func compare(
        _ known: RequestFingerprint, _ recorded: [UInt8], _ request: Request,
        _ coding: ContentCoding?, _ upload: UploadRequest, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        let reused = Refusal(.idempotencyKeyReused(key: upload.idempotencyKey ?? ""))
        guard known.head == upload.fingerprintHead else { throw reused }
        if let length = upload.bodyByteCount, length > limits.fingerprintBytes {
            guard known.body == .length(length) else { throw reused }
            return answerWithoutBody(.json(recorded), request, exchange)
        }
        let sink = DigestSink(limit: limits.fingerprintBytes) { body in
            exchange.respond(body == known.body ? .json(recorded) : reused.problem.response())
        }
        return .accept(
            decoding(coding, into: sink, limit: limits.modelBytes, "a model", exchange))
    }

    // MARK: The head

    private func step(_ request: Request) throws(Refusal) -> Int? {
        guard let text = request.query.first("step") else { return nil }
        guard let step = Int(text), step >= 0, text.utf8.first != UInt8(ascii: "+") else {
            throw Refusal(
                ProblemKind.malformedRequest.problem(
                    "step is \"\(text.prefix(32))\"; allowed is an integer from 0 to \(Int.max)"))
        }
        return step
    }

    /// No rule of this version weighs models; the parameter is checked all the same.
    private func checkWeight(_ request: Request) throws(Refusal) {
        guard let text = request.query.first("weight") else { return }
        guard let weight = Double(text), weight.isFinite, weight > 0 else {
            throw Refusal(
                ProblemKind.malformedRequest.problem(
                    "weight is \"\(text.prefix(32))\"; allowed is a finite number > 0"))
        }
    }

    /// Whoever names a file must be where it is.
    private func checkIsLocal(_ request: Request) throws(Refusal) {
        guard localFiles != nil, request.head.peer.place == .remote else { return }
        throw Refusal(
            ProblemKind.forbidden.problem(
                "files are named only over a loopback address or a Unix socket: send the model"))
    }

    private func checkModelType(_ request: Request) throws(Refusal) {
        if request.mediaType == PolyakService.referenceType {
            guard localFiles == nil else { return }
            throw Refusal(
                ProblemKind.unsupportedFormat.problem(
                    "uploads by reference are turned off; the operator turns them on with "
                        + "--local-files DIRECTORY, the directory of the files to be read",
                    fields: [("Accept", PolyakService.modelTypes.joined(separator: ", "))]))
        }
        if let type = request.mediaType, !PolyakService.modelTypes.contains(type) {
            throw Refusal(
                ProblemKind.unsupportedFormat.problem(
                    "Content-Type \(type.prefix(64)) is not supported; send "
                        + "application/vnd.safetensors. " + UploadSink.conversion,
                    fields: [("Accept", PolyakService.modelTypes.joined(separator: ", "))]))
        }
    }
}

/// Gives the sessions layer what it needs of an exchange.
private final class UploadExchange: UploadClient {
    private let exchange: any Exchange

    init(_ exchange: any Exchange) {
        self.exchange = exchange
    }

    func onLane(_ work: @escaping @Sendable () -> Void) { exchange.onLane(work) }

    func resumeBody() { exchange.resumeBody() }

    func turnCame() { exchange.widenWindow() }

    func answer(_ result: Result<[UInt8], SessionError>) { exchange.respond(Response(result)) }
}
