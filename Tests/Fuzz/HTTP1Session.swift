import HTTPWire
import ServiceLimits

/// Requests on one connection mean the same however they are cut; after a refusal nothing more is
/// answered; every sink hears of its end once; and time alone ends the connection.
enum HTTP1Session {
    private static let limits = {
        var limits = Limits()
        limits.headerBytes = 400
        limits.fields = 12
        limits.drain = 40
        limits.chunkExtensionBytes = 16
        limits.trailerBytes = 32
        return limits
    }()

    static func check(_ input: FuzzInput) {
        var input = input
        let whole = run([input.bytes], &input)
        let cut = run(input.pieces(), &input)
        guard let whole, let cut else { return }
        expect(whole == cut, "whole: \(whole), cut: \(cut)")
    }

    /// - Returns: what became of the requests; nil when that rightly depends on how they came.
    private static func run(_ pieces: [[UInt8]], _ input: inout FuzzInput) -> String? {
        let connection = FuzzConnection(limits: limits)
        for piece in pieces { connection.send(piece) }
        let isSwitched = connection.handOver != nil
        let statuses = statuses(connection.written)
        let outcome = """
            \(connection.handler.heads) \(connection.handler.uploads.map(\.text)) \(statuses) \
            \(connection.hasEnded) \(connection.hasEnded ? 0 : connection.kept.count)
            """
        if !isSwitched { expectSoundAnswers(connection) }
        switch input.next() % 4 {
        case 0: connection.sendEnd()
        case 1: connection.shutDown()
        case 2:
            connection.endGrace()
            connection.send(pieces.last ?? [])
        default: break
        }
        var steps = 0
        while connection.passTime() {
            steps += 1
            expect(steps < 1000, "the connection does not end")
        }
        expect(connection.hasEnded, "nothing will end this connection")
        if connection.handOver == nil { expectSoundAnswers(connection) }
        connection.disconnect()
        return isSwitched || connection.handler.isCutDependent ? nil : outcome
    }

    private static func expectSoundAnswers(_ connection: FuzzConnection) {
        let finals = statuses(connection.written).filter { $0 >= 200 }
        let refusals = finals.filter { $0 >= 400 }
        expect(refusals.count <= 1, "\(refusals)")
        if let refusal = refusals.first {
            expect(finals.last == refusal && connection.hasEnded, "answers after a refusal")
        }
        let requests = connection.handler.heads.count
        expect(finals.count - refusals.count <= requests, "\(finals) to \(requests) requests")
    }

    /// The status lines written; no content looks like one.
    private static func statuses(_ written: [UInt8]) -> [Int] {
        let start = Array("HTTP/1.1 ".utf8)
        return written.indices.dropLast(start.count + 3).compactMap { index in
            guard written[index] == start[0], written[index...].starts(with: start) else {
                return nil
            }
            return Int(String(decoding: written[(index + 9)..<(index + 12)], as: UTF8.self))
        }
    }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    HTTP1Session.check(FuzzInput(start, count))
    return 0
}
