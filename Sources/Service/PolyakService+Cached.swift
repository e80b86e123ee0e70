import HTTPWire
import ServiceLimits
import Sessions

// The trainer's own weights, kept while it validates with the average.

extension PolyakService {
    /// Weights that come under a content coding are kept decoded: whoever asks for them need not
    /// know how they were sent.
    func putCached(
        _ request: Request, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        let session = try refusing(store.session(request.path.session))
        try request.checkQuery()
        let trainer = try request.trainer()
        let coding = try contentCoding(request)
        try checkHasBody(request)
        try checkLength(request, coding, limit: limits.modelBytes, "cached weights")
        try checkRunning()
        let contentType = request.fields.first("content-type") ?? "application/octet-stream"
        let writer = try refusing(
            session.beginCached(
                contentType: contentType, identity: request.identity.name))
        let sink = CachedSink(writer, limit: limits.modelBytes, exchange: exchange) { writer in
            session.storeCached(writer, for: trainer) { result in
                switch result {
                case .success(let isNew):
                    exchange.respond(Response(status: isNew ? 201 : 200))
                case .failure(let error): exchange.respond(Problem(error).response())
                }
            }
        }
        // It takes whatever comes, so nothing of the large window is ever kept.
        if coding == nil { exchange.widenWindow() }
        return .accept(
            decoding(coding, into: sink, limit: limits.modelBytes, "cached weights", exchange))
    }

    func dropCached(
        _ request: Request, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        let session = try refusing(store.session(request.path.session))
        try request.checkQuery()
        session.dropCached(of: try request.trainer()) {
            exchange.respond(Response(noContent: $0))
        }
        return .discard
    }

    func getCached(
        _ request: Request, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        let session = try refusing(store.session(request.path.session))
        try request.checkQuery()
        let trainer = try request.trainer()
        let file = try refusing(session.cachedFile(of: trainer))
        var fields = [("Content-Type", file.contentType), ("Vary", "Accept-Encoding")]
        if let coding = request.requiredCoding {
            fields.append(("Content-Encoding", coding.rawValue))
            let source = DeflatingSource(CachedSource(file), coding: coding, exchange: exchange)
            return exchange.answer(
                Response(status: 200, fields: fields, body: .stream(length: nil, source)))
        }
        let slice = FileSlice(
            fileDescriptor: file.fileDescriptor, mapping: nil, offset: 0, count: file.byteCount,
            pin: CachedPin(file))
        return exchange.answer(
            Response(
                status: 200, fields: fields, body: file.byteCount == 0 ? .empty : .slice(slice)))
    }
}

/// Keeps a cached file open while it is sent; it is never written again, so nothing else matters.
private final class CachedPin: SlicePin {
    private let file: CachedFile

    init(_ file: CachedFile) {
        self.file = file
    }

    func sent() {}
    func abandoned() {}
}

/// Reads a cached file piece by piece, for who cannot have it as it is. Used on the connection's
/// lane only.
private final class CachedSource: BodySource {
    private let file: CachedFile
    private var position = 0

    init(_ file: CachedFile) {
        self.file = file
    }

    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        guard position < file.byteCount else { return .end }
        guard let bytes = file.read(from: position, upTo: count) else { return .fail }
        buffer += bytes
        position += bytes.count
        return .bytes
    }
}

/// Writes a body to a cached file. Used on the connection's lane only.
private final class CachedSink: BodySink {
    private var writer: CachedFileWriter?
    private let limit: Int
    private let exchange: any Exchange
    private let complete: (CachedFileWriter) -> Void
    private var byteCount = 0

    init(
        _ writer: CachedFileWriter, limit: Int, exchange: any Exchange,
        complete: @escaping (CachedFileWriter) -> Void
    ) {
        self.writer = writer
        self.limit = limit
        self.exchange = exchange
        self.complete = complete
    }

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        byteCount += chunk.count
        if byteCount > limit {
            refuse(.tooLarge(limit: limit, "cached weights"))
        } else {
            do { try writer?.write(chunk) } catch { refuse(Problem(error)) }
        }
        return chunk.count
    }

    func finish() {
        if let writer { complete(writer) }
    }

    func abort(_ reason: BodyAbort) { writer = nil }

    private func refuse(_ problem: Problem) {
        writer = nil
        exchange.respond(problem.response())
    }
}
