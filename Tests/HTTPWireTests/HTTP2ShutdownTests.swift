import HTTPWire
import ServiceLimits
import Testing

@Suite struct HTTP2ShutdownTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, _ payload: [UInt8] = []
    ) -> [UInt8] {
        [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, stream] + payload
    }

    /// nghttp2 1.52 aborts over the second frame when it was told to end the session meanwhile.
    @Test func `the last body's end together with a frame of the wrong size ends the connection`()
        throws
    {
        let host = FakeHost()
        let handler = FakeHandler { _, exchange in
            exchange.respond(Response(status: 200))
            return .discard
        }
        let now = Instant(nanoseconds: 0)
        let engine = HTTP2Engine(
            limits: Limits(), handler: handler, host: host, peer: .loopback, now: now)
        func receive(_ bytes: [UInt8]) {
            #expect(bytes.withUnsafeBytes { engine.receive($0, now: now) } == bytes.count)
        }
        // POST / with an authority, in static and literal fields (RFC 7541 appendix A).
        let post: [UInt8] = [0x83, 0x86, 0x84, 0x41, 1, 0x61]
        receive(Self.preface + Self.frame(4) + Self.frame(1, flags: 4, stream: 1, post))
        while case .bytes = engine.nextOutput(now: now) {}
        engine.beginShutdown(now: now)
        let reset = Self.frame(3, stream: 1, [UInt8](repeating: 0, count: 8))
        receive(Self.frame(0, flags: 1, stream: 1, [0x61]) + reset)

        var types: [UInt8] = []
        var ending = engine.nextOutput(now: now)
        while case .bytes(let bytes) = ending {
            var rest = bytes[...]
            while rest.count >= 9 {
                let header = Array(rest.prefix(9))
                types.append(header[3])
                rest = rest.dropFirst(9 + Int(header[1]) << 8 + Int(header[2]))
            }
            ending = engine.nextOutput(now: now)
        }
        #expect(types.last == 7)
        if case .closeAfterLinger = ending {} else { Issue.record("\(ending)") }
        engine.disconnected()
    }
}
