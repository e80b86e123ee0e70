import HTTPWire

/// Answers requests in many ways, all of them right, and remembers what became of their bodies.
/// Every request is answered sooner or later, unless its client stops it.
///
/// Touched by the one thread there is.
final class FuzzHandler: RequestHandler, @unchecked Sendable {
    /// What a sink was told, and whether its request was answered before the body's end.
    final class Upload {
        let sink = FakeSink()
        var isAnsweredEarly = false

        var text: String { "\(sink.bytes.count) \(sink.finishes) \(sink.aborts)" }
    }

    /// Requests so far: method, path, query, body.
    private(set) var heads: [String] = []
    private(set) var uploads: [Upload] = []
    /// A request was seen whose outcome rightly depends on what came together with its head: it
    /// expects `100 Continue`, or is answered before its end.
    private(set) var isCutDependent = false
    /// A body was paused, which over HTTP/2 lets what follows it overtake it.
    private(set) var hasPaused = false

    /// The path's first letter decides what becomes of the request.
    func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
        heads.append("\(head.method) \(head.path) \(head.query ?? "-") \(head.body)")
        if head.expectsContinue { isCutDependent = true }
        let letter = head.path.dropFirst().first
        switch letter {
        case "e", "d", "b":
            isCutDependent = true
            answer(exchange, letter)
            return .discard
        default:
            let upload = Upload()
            uploads.append(upload)
            return accept(upload, exchange, letter)
        }
    }

    private func accept(
        _ upload: Upload, _ exchange: any Exchange, _ letter: Character?
    ) -> BodyDisposition {
        let sink = upload.sink
        sink.onFinish = { [unowned self] in answer(exchange, letter) }
        switch letter {
        case "r":
            isCutDependent = true
            sink.onReceive = { [unowned self, unowned upload] in
                upload.isAnsweredEarly = true
                answer(exchange, letter)
            }
        case "p":
            hasPaused = true
            sink.appetite = 3
            sink.onReceive = { [unowned sink] in
                guard sink.appetite == 0 else { return }
                sink.appetite = 1_000
                exchange.resumeBody()
            }
        case "l":
            hasPaused = true
            exchange.resumeBody()
            exchange.widenWindow()
            return .acceptLater(sink)
        default:
            break
        }
        return .accept(sink)
    }

    private func answer(_ exchange: any Exchange, _ letter: Character?) {
        switch letter {
        case "d":
            exchange.onLane { exchange.respond(Response(status: 204)) }
        case "b":
            let body = [UInt8](repeating: 0x62, count: 40_000)
            exchange.respond(Response(status: 200, body: .bytes(body)))
        case "s":
            let source = ResumedSource(exchange, [.text("a"), .wait, .slice(3), .textAndEnd("b")])
            exchange.respond(Response(status: 200, body: .stream(length: 5, source)))
        case "u":
            let source = FakeSource([.slice(30_000), .text("a"), .end])
            exchange.respond(Response(status: 200, body: .stream(length: nil, source)))
        case "f":
            isCutDependent = true
            let source = FakeSource([.text("a"), .fail])
            exchange.respond(Response(status: 200, body: .stream(length: 9, source)))
        case "g":
            isCutDependent = true
            exchange.respond(Response(status: 200, body: .slice(slice(40_000))))
            exchange.failResponse()
        case "c":
            isCutDependent = true
            var response = Response(status: 200)
            response.closesConnection = true
            exchange.respond(response)
        default:
            exchange.respond(Response(status: 200, body: .bytes(Array("done".utf8))))
        }
    }

    /// What must hold when the connection has gone.
    func expectEnded() {
        for upload in uploads {
            let ends = upload.sink.finishes + upload.sink.aborts.count
            expect(ends == 1 || (ends == 0 && upload.isAnsweredEarly), "\(ends) ends")
        }
    }
}

/// Goes on as soon as it has said that it waits.
private final class ResumedSource: BodySource {
    private let exchange: any Exchange
    private let source: FakeSource

    init(_ exchange: any Exchange, _ steps: [FakeSource.Step]) {
        self.exchange = exchange
        source = FakeSource(steps)
    }

    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart {
        let part = source.produce(upTo: count, into: &buffer)
        if case .wait = part { exchange.resumeResponse() }
        return part
    }
}
