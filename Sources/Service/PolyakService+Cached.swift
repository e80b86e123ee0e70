import HTTPWire
import ServiceLimits
import Sessions

// The trainer's own weights, kept while it validates with the average.

extension PolyakService {
    func putCached(
        in name: String, _ request: Request, _ exchange: any Exchange
    ) throws(Refusal) -> BodyDisposition {
        let session = try refusing { () throws(SessionError) in try store.session(name) }
        try request.checkQuery()
        let trainer = try request.trainer()
        try checkHasBody(request)
        try checkLength(request, limit: limits.modelBytes, "cached weights")
        try checkRunning()
        let contentType = request.fields.first("content-type") ?? "application/octet-stream"
        let writer = try refusing { () throws(SessionError) in
            try session.beginCached(contentType: contentType)
        }
        return .accept(
            CachedSink(writer, limit: limits.modelBytes, exchange: exchange) { writer in
                session.storeCached(writer, for: trainer) { result in
                    switch result {
                    case .success(let isNew):
                        exchange.respond(Response(status: isNew ? 201 : 200))
                    case .failure(let error): exchange.respond(Problem(error).response())
                    }
                }
            })
    }

    func dropCached(
        in name: String, _ request: Request, _ exchange: any Exchange
    ) throws(Refusal) {
        let session = try refusing { () throws(SessionError) in try store.session(name) }
        try request.checkQuery()
        session.dropCached(of: try request.trainer()) {
            exchange.respond(Response(noContent: $0))
        }
    }

    func cached(in name: String, _ request: Request) throws(Refusal) -> Response {
        let session = try refusing { () throws(SessionError) in try store.session(name) }
        try request.checkQuery()
        let trainer = try request.trainer()
        let file = try refusing { () throws(SessionError) in
            try session.cachedFile(of: trainer)
        }
        let slice = FileSlice(
            fileDescriptor: file.fileDescriptor, mapping: nil, offset: 0, count: file.byteCount,
            pin: CachedPin(file))
        return Response(
            status: 200, fields: [("Content-Type", file.contentType)],
            body: file.byteCount == 0 ? .empty : .slice(slice))
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
