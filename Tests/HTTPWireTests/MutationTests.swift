import HTTPWire
import ServiceLimits
import TestSupport
import Testing

private let seeds = [
    "POST /v1/a?b=c HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    "PUT /v1/a HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "5;a=b\r\nhello\r\n00a\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
    "GET http://a/b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "\r\nDELETE /v1/a HTTP/1.1\r\nhost: a\r\nConnection: close\r\n\r\n",
].map { Array($0.utf8) }

private let interesting: [UInt8] =
    Array("\r\n\t :;,%/\\?#*019aFgxX-+\"=\0".utf8) + [0x7F, 0x80, 0xFF]

@Suite struct MutationTests {
    /// What came of one connection's bytes: requests, bodies, answers.
    private func outcome(_ pieces: [[UInt8]]) -> [String] {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        sink.onFinish = { [unowned wire] in wire.exchange.respond(Response(status: 200)) }
        for piece in pieces { wire.send(piece) }
        let statuses = wire.statuses
        let refusals = statuses.filter { $0 >= 400 }
        #expect(refusals.count <= 1)
        #expect(refusals.isEmpty || (statuses.last == refusals[0] && wire.ending != nil))
        #expect(statuses.count - refusals.count == sink.finishes)
        return wire.handler.heads.map { "\($0.method) \($0.path) \($0.query ?? "-") \($0.body)" }
            + statuses.map(String.init) + ["\(wire.ending as Any)", "\(sink.aborts)"]
            + [String(describing: sink.bytes)]
    }

    private func mutate(_ bytes: inout [UInt8], _ generator: inout SplitMix) {
        let position = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.remove(at: position)
        case 1: bytes.insert(interesting.randomElement(using: &generator) ?? 0, at: position)
        case 2: bytes[position] = interesting.randomElement(using: &generator) ?? 0
        case 3: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        default:
            let end = Int.random(in: position..<bytes.count, using: &generator)
            bytes.insert(contentsOf: bytes[position...end], at: position)
        }
    }

    @Test(arguments: 0..<8) func `damaged requests mean the same however they are cut`(
        _ seed: Int
    ) {
        var generator = SplitMix(seed: UInt64(seed))
        for _ in 0..<250 {
            var bytes: [UInt8] = []
            for _ in 0..<2 {
                var request = seeds.randomElement(using: &generator) ?? []
                for _ in 0..<Int.random(in: 0...2, using: &generator) {
                    mutate(&request, &generator)
                }
                bytes += request
            }
            let whole = outcome([bytes])
            let byByte = outcome(bytes.map { [$0] })
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let halves = outcome([Array(bytes[..<cut]), Array(bytes[cut...])])
            #expect(whole == byByte, "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
            #expect(whole == halves, "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
    }
}
