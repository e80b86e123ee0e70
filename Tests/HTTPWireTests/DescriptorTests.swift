import HTTPWire
import Testing

/// Open files that came with a request belong to it alone, and are let go of with it.
@Suite struct DescriptorTests {
    /// Counts those that are not let go of.
    final class Descriptor: PassedDescriptor, @unchecked Sendable {
        let number: Int32
        private let living: Living

        init(_ number: Int32, _ living: Living) {
            self.number = number
            self.living = living
            living.count += 1
        }

        deinit { living.count -= 1 }
    }

    /// Touched by the test's thread only.
    final class Living: @unchecked Sendable {
        var count = 0
    }

    private let living = Living()
    private let head = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"

    private func pass(_ count: Int, to wire: Wire) {
        wire.engine.receive((0..<Int32(count)).map { Descriptor($0, living) })
    }

    /// A wire whose handler takes the descriptors at the body's end, as numbers.
    private func takingWire(_ taken: @escaping ([Int32]) -> Void) -> Wire {
        let sink = FakeSink()
        let wire = Wire.upload(sink)
        sink.onFinish = { [unowned wire] in
            taken(wire.exchange.takeDescriptors().map(\.number))
            wire.exchange.respond(Response(status: 200))
        }
        return wire
    }

    @Test func `they are taken at the body's end whichever bytes they came with`() {
        var taken: [[Int32]] = []
        let wire = takingWire { taken.append($0) }
        pass(1, to: wire)
        wire.send(String(head.prefix(9)))
        wire.send(head.dropFirst(9) + "ab")
        pass(2, to: wire)
        wire.send("cd")
        #expect(taken == [[0, 0, 1]])
        #expect(living.count == 0)
    }

    @Test func `those of one request are not the next one's`() {
        var taken: [[Int32]] = []
        let wire = takingWire { taken.append($0) }
        pass(1, to: wire)
        wire.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(taken == [[0]])
        wire.send(head + "abcd")
        #expect(taken == [[0], []])
    }

    @Test func `what is not taken is let go of at the request's end`() {
        let wire = Wire.echo()
        pass(2, to: wire)
        wire.send("GET /y HTTP/1.1\r\nHost: a\r\n")
        #expect(living.count == 2)
        wire.send("\r\n")
        #expect(living.count == 0)
    }

    @Test func `a request keeps four`() {
        var taken: [[Int32]] = []
        let wire = takingWire { taken.append($0) }
        pass(3, to: wire)
        pass(3, to: wire)
        #expect(living.count == 4)
        wire.send(head + "abcd")
        #expect(taken == [[0, 1, 2, 0]])
    }

    @Test func `they go with the connection and are not kept after a refusal`() {
        let wire = Wire.echo()
        pass(1, to: wire)
        wire.engine.disconnected()
        #expect(living.count == 0)
        let refused = Wire.echo()
        refused.send("nonsense\r\n\r\n")
        pass(1, to: refused)
        #expect(living.count == 0)
    }

    @Test func `an exchange that is over takes nothing`() {
        let wire = Wire.echo()
        wire.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
        pass(1, to: wire)
        #expect(wire.exchange.takeDescriptors().isEmpty)
        #expect(living.count == 1)
    }
}
