import HTTPWire

/// A lane without a thread: what it is to run. Used by one test at a time.
final class FakeLane: EngineLane, @unchecked Sendable {
    var work: [@Sendable () -> Void] = []
    var isCurrent = true

    func post(_ work: @escaping @Sendable () -> Void) { self.work.append(work) }
}

/// A lane without threads, for `Wire`, which plays the transport.
final class FakeHost: EngineHost, @unchecked Sendable {
    let queue = FakeLane()
    var isWoken = false
    var engineLane: any EngineLane { queue }

    var successor: (any WireEngine)?

    func wake() { isWoken = true }

    func handOver(to successor: any WireEngine) { self.successor = successor }
}

/// Answers by a closure and remembers what it was asked.
final class FakeHandler: RequestHandler, @unchecked Sendable {
    typealias Handle = (RequestHead, any Exchange) -> BodyDisposition

    var heads: [RequestHead] = []
    var exchanges: [any Exchange] = []
    var handle: Handle

    init(_ handle: @escaping Handle) { self.handle = handle }

    func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
        heads.append(head)
        exchanges.append(exchange)
        return handle(head, exchange)
    }
}

/// Takes what `appetite` allows and remembers everything.
final class FakeSink: BodySink {
    var bytes: [UInt8] = []
    var chunks: [Int] = []
    var finishes = 0
    var aborts: [BodyAbort] = []
    /// Bytes taken before the sink says that it is full; nil: all.
    var appetite: Int?
    var onReceive: () -> Void = {}
    var onFinish: () -> Void = {}

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        let count = min(chunk.count, appetite ?? .max)
        bytes.append(contentsOf: chunk.prefix(count))
        chunks.append(chunk.count)
        if let appetite { self.appetite = appetite - count }
        onReceive()
        return count
    }

    func finish() {
        finishes += 1
        onFinish()
    }

    func abort(_ reason: BodyAbort) { aborts.append(reason) }

    var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Plays a list of parts.
final class FakeSource: BodySource {
    enum Step {
        case text(String)
        case textAndEnd(String)
        case slice(Int)
        case wait, end, fail
    }

    var steps: [Step]

    init(_ steps: [Step]) { self.steps = steps }

    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        guard !steps.isEmpty else { return .end }
        switch steps.removeFirst() {
        case .text(let text):
            buffer.append(contentsOf: text.utf8)
            return .bytes
        case .textAndEnd(let text):
            buffer.append(contentsOf: text.utf8)
            return .end
        case .slice(let count): return .slice(slice(count))
        case .wait: return .wait
        case .end: return .end
        case .fail: return .fail
        }
    }
}

final class FakePin: SlicePin {
    func sent() {}
    func abandoned() {}
}

func slice(_ count: Int) -> FileSlice {
    FileSlice(fileDescriptor: -1, mapping: nil, offset: 0, count: count, pin: FakePin())
}
