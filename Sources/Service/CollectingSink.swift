import HTTPWire

/// Collects a body of bounded size, then hands it over. Used on the connection's lane only.
final class CollectingSink: BodySink {
    private let document: DocumentBuffer
    private let exchange: any Exchange
    private let complete: ([UInt8]) -> Void
    private var isRefused = false

    init(
        _ document: DocumentBuffer, exchange: any Exchange, complete: @escaping ([UInt8]) -> Void
    ) {
        self.document = document
        self.exchange = exchange
        self.complete = complete
    }

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        guard !isRefused else { return chunk.count }
        do throws(Refusal) {
            try document.append(chunk)
        } catch {
            isRefused = true
            exchange.respond(error.problem.response())
        }
        return chunk.count
    }

    func finish() {
        if !isRefused { complete(document.bytes) }
    }

    func abort(_ reason: BodyAbort) {}
}

/// Drops a body that is not needed and answers at its end, so that a client that does not look for
/// an early answer is not disturbed. Used on the connection's lane only.
final class DroppingSink: BodySink {
    private let limit: Int
    private let exchange: any Exchange
    private let answer: () -> Response
    private var byteCount = 0

    /// - Parameter limit: bytes; a longer body, which can only be a chunked one, is refused.
    init(limit: Int, exchange: any Exchange, answer: @escaping () -> Response) {
        self.limit = limit
        self.exchange = exchange
        self.answer = answer
    }

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        byteCount += chunk.count
        if byteCount > limit {
            exchange.respond(Problem.tooLarge(limit: limit, "a model").response())
        }
        return chunk.count
    }

    func finish() { exchange.respond(answer()) }

    func abort(_ reason: BodyAbort) {}
}
