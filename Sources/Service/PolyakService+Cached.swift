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
            try session.cached.beginWriting(contentType: contentType)
        }
        return .accept(
            CachedSink(writer, limit: limits.modelBytes, exchange: exchange) { writer in
                do throws(SessionError) {
                    let isNew = try session.cached.publish(writer, for: trainer)
                    return Response(status: isNew ? 201 : 200)
                } catch {
                    return Problem(error).response()
                }
            })
    }

    func cached(in name: String, _ request: Request) throws(Refusal) -> Response {
        let session = try refusing { () throws(SessionError) in try store.session(name) }
        try request.checkQuery()
        let trainer = try request.trainer()
        if request.method == "DELETE" {
            try refusing { () throws(SessionError) in try session.cached.delete(trainer) }
            return Response(status: 204)
        }
        let file = try refusing { () throws(SessionError) in try session.cached.file(of: trainer) }
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

    func abandoned() {}
}

/// Writes a body to a cached file. Used on the connection's lane only.
private final class CachedSink: BodySink {
    private var writer: CachedFileWriter?
    private let limit: Int
    private let exchange: any Exchange
    private let complete: (CachedFileWriter) -> Response
    private var byteCount = 0

    init(
        _ writer: CachedFileWriter, limit: Int, exchange: any Exchange,
        complete: @escaping (CachedFileWriter) -> Response
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
        if let writer { exchange.respond(complete(writer)) }
    }

    func abort(_ reason: BodyAbort) { writer = nil }

    private func refuse(_ problem: Problem) {
        writer = nil
        exchange.respond(problem.response())
    }
}
