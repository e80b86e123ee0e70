import HTTPWire
import ServiceLimits

/// Requests on one connection mean the same however they are cut; after a refusal nothing more is
/// answered; every sink hears of its end once.
final class HTTP1Session {
    /// A request whose outcome rightly depends on what has come with its head was seen: it expects
    /// `100 Continue`, or is answered before its end.
    private var isCutDependent = false
    private var sinks: [(sink: FakeSink, exchange: Answered)] = []
    private var wire: Wire?

    private final class Answered {
        var early = false
    }

    static func check(_ input: FuzzInput) {
        var input = input
        let whole = HTTP1Session()
        let outcome = whole.run([input.bytes])
        let cut = HTTP1Session()
        let cutOutcome = cut.run(input.pieces())
        guard !whole.isCutDependent, !cut.isCutDependent else { return }
        expect(outcome == cutOutcome, "whole: \(outcome), cut: \(cutOutcome)")
    }

    private func run(_ pieces: [[UInt8]]) -> [String] {
        var limits = Limits()
        limits.headerBytes = 400
        limits.fields = 12
        limits.drain = 40
        limits.chunkExtensionBytes = 16
        limits.trailerBytes = 32
        let wire = Wire(limits: limits) { [unowned self] in handle($0, $1) }
        self.wire = wire
        for piece in pieces { wire.send(piece) }
        expect(wire.ending != nil || wire.kept.isEmpty || isCutDependent, "bytes are left")
        let kept = wire.ending == nil ? wire.kept.count : 0
        let outcome =
            wire.handler.heads.map { "\($0.method) \($0.path) \($0.query ?? "-") \($0.body)" }
            + sinks.map { "\($0.sink.bytes) \($0.sink.finishes) \($0.sink.aborts)" }
            + statuses(wire).map(String.init) + ["\(wire.ending as Any) \(kept)"]
        expectSoundAnswers(wire)
        end(wire)
        return outcome
    }

    /// The status lines written; no content looks like one.
    private func statuses(_ wire: Wire) -> [Int] {
        let start = Array("HTTP/1.1 ".utf8)
        return wire.written.indices.dropLast(start.count + 3).compactMap { index in
            guard wire.written[index] == start[0], wire.written[index...].starts(with: start)
            else { return nil }
            return Int(String(decoding: wire.written[(index + 9)..<(index + 12)], as: UTF8.self))
        }
    }

    private func expectSoundAnswers(_ wire: Wire) {
        let statuses = statuses(wire).filter { $0 >= 200 }
        let refusals = statuses.filter { $0 >= 400 }
        expect(refusals.count <= 1, "\(refusals)")
        if let refusal = refusals.first {
            expect(statuses.last == refusal && wire.ending != nil, "answers after a refusal")
        }
        expect(statuses.count - refusals.count <= wire.handler.heads.count, "too many answers")
    }

    /// The peer goes, and no sink may be left without its end.
    private func end(_ wire: Wire) {
        if wire.ending == nil { wire.sendEnd() }
        wire.engine.disconnected()
        let work = wire.host.queue.work
        wire.host.queue.work = []
        for item in work { item() }
        for (sink, answered) in sinks {
            let ends = sink.finishes + sink.aborts.count
            expect(ends == 1 || (ends == 0 && answered.early), "\(ends) ends")
        }
    }

    /// The path's first letter decides what becomes of the request.
    private func handle(_ head: RequestHead, _ exchange: any Exchange) -> BodyDisposition {
        if head.expectsContinue { isCutDependent = true }
        let sink = FakeSink()
        let answered = Answered()
        let answer = Response(status: 200, body: .bytes(Array("done".utf8)))
        sink.onFinish = { exchange.respond(answer) }
        switch head.path.dropFirst().first {
        case "e":
            isCutDependent = true
            exchange.respond(answer)
            return .discard
        case "d":
            isCutDependent = true
            exchange.onLane { exchange.respond(Response(status: 204)) }
            return .discard
        case "r":
            isCutDependent = true
            sink.onReceive = {
                answered.early = true
                exchange.respond(answer)
            }
        case "s":
            sink.onFinish = {
                let source = FakeSource([.text("a"), .wait, .slice(3), .textAndEnd("b")])
                exchange.respond(Response(status: 200, body: .stream(length: 5, source)))
                exchange.resumeResponse()
            }
        case "p":
            sink.appetite = 3
            sink.onReceive = { [unowned sink] in
                guard sink.appetite == 0 else { return }
                sink.appetite = 3
                exchange.resumeBody()
            }
        case "l":
            sinks.append((sink, answered))
            exchange.resumeBody()
            return .acceptLater(sink)
        default:
            break
        }
        sinks.append((sink, answered))
        return .accept(sink)
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    HTTP1Session.check(FuzzInput(start, count))
    return 0
}
