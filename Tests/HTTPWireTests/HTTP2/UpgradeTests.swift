import HTTPWire
import ServiceLimits
import Testing

private let switching =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
/// SETTINGS_MAX_CONCURRENT_STREAMS 100 and SETTINGS_INITIAL_WINDOW_SIZE 4, in base64url.
private let settings = "AAMAAABkAAQAAAAE"

private func request(
    _ line: String = "GET /x", connection: String = "Upgrade, HTTP2-Settings",
    upgrade: String = "h2c", fields: String = "HTTP2-Settings: \(settings)\r\n"
) -> String {
    "\(line) HTTP/1.1\r\nHost: a\r\nConnection: \(connection)\r\nUpgrade: \(upgrade)\r\n"
        + "\(fields)\r\n"
}

/// How a connection becomes HTTP/2 (RFC 9113 section 3, RFC 7540 section 3.2).
@Suite struct UpgradeTests {
    @Test func `the preface is taken however it is cut`() {
        let bytes =
            Frame.preface + Frame.settings().bytes + Frame.headers(1, HTTP2Client.get("/x")).bytes
        for cut in 0...bytes.count {
            let client = HTTP2Client(Wire.echo(), opens: false)
            client.wire.send(Array(bytes[..<cut]))
            #expect(cut < Frame.preface.count ? client.wire.written.isEmpty : true)
            client.wire.send(Array(bytes[cut...]))
            client.read()
            #expect(client.answer(1).text == "/x", "cut at \(cut)")
        }
    }

    @Test func `the server's preface comes first, with its limits`() {
        let client = HTTP2Client.echo()
        let first = client.frames[0]
        #expect(first.is(.settings) && first.flags == 0 && first.stream == 0)
        var values: [Int: Int] = [:]
        for start in stride(from: 0, to: first.payload.count, by: 6) {
            values[Int(first.payload[start + 1])] = first.number(at: start + 2)
        }
        #expect(values == [3: 100, 4: 65_536, 6: 32_768])
    }

    @Test(arguments: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n"])
    func `what only begins like a preface is a request of no version we speak`(_ text: String) {
        for cut in 0...text.utf8.count {
            let wire = Wire.echo()
            wire.send(Array(text.utf8.prefix(cut)))
            wire.send(Array(text.utf8.dropFirst(cut)))
            #expect(wire.statuses == [505] && wire.ending == .closeAfterLinger)
        }
    }

    @Test func `a method that begins like a preface is one like any other`() {
        let text = "PRIX /p HTTP/1.1\r\nHost: a\r\n\r\n"
        for cut in 0...text.utf8.count {
            let wire = Wire.echo()
            wire.send(Array(text.utf8.prefix(cut)))
            wire.send(Array(text.utf8.dropFirst(cut)))
            #expect(wire.handler.heads.map(\.method) == ["PRIX"] && wire.statuses == [200])
        }
    }

    @Test func `a preface after a request is refused`() {
        let wire = Wire.echo()
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.send(Frame.preface)
        #expect(wire.statuses == [200, 505])
    }

    @Test func `half a preface is given a head's time`() {
        let wire = Wire.echo()
        wire.send("PRI * HTTP/2.0\r\n")
        wire.advance(.seconds(10))
        #expect(wire.statuses == [408])
    }

    // MARK: Upgrade

    @Test(arguments: [
        request(), request(upgrade: "websocket, h2c"),
        request(connection: "keep-alive, http2-settings, upgrade"),
        request("GET /x", fields: "Content-Length: 0\r\nHTTP2-Settings: \(settings)\r\n"),
        request(fields: "HTTP2-Settings: \r\n"),
    ]) func `a request without a body is answered over HTTP2`(_ text: String) {
        let wire = Wire.echo()
        let client = HTTP2Client(wire, opens: false)
        wire.send(text)
        #expect(wire.output.hasPrefix(switching))
        wire.send(Frame.preface + Frame.settings([(id: 4, value: 100)]).bytes)
        client.read(after: switching.utf8.count)
        #expect(client.frames[0].is(.settings))
        #expect(client.answer(1).text == "/x" && client.answer(1).isComplete)
        client.send(.headers(3, HTTP2Client.get("/y")))
        #expect(client.answer(3).text == "/y")
        #expect(wire.handler.heads.count == 2)
    }

    @Test func `the settings that came with the request hold`() {
        let wire = Wire { _, exchange in
            exchange.respond(Response(status: 200, body: .bytes(Array("123456789".utf8))))
            return .discard
        }
        let client = HTTP2Client(wire, opens: false)
        wire.send(request())
        wire.send(Frame.preface + Frame.settings().bytes)
        client.read(after: switching.utf8.count)
        #expect(client.answer(1).text == "1234")
    }

    @Test func `HEAD is answered over HTTP2 too`() {
        let wire = Wire.echo()
        let client = HTTP2Client(wire, opens: false)
        wire.send(request("HEAD /x"))
        client.read(after: switching.utf8.count)
        #expect(client.answer(1).isComplete && client.answer(1).body.isEmpty)
        #expect(client.answer(1).fields["content-length"] == "2")
    }

    @Test(arguments: [
        request("POST /x", fields: "HTTP2-Settings: \(settings)\r\nContent-Length: 1\r\n") + "x",
        request(fields: ""), request(fields: "HTTP2-Settings: AAMAAABk+A\r\n"),
        request(fields: "HTTP2-Settings: AAMA\r\n"), request(connection: "Upgrade"),
        request(fields: "HTTP2-Settings: \r\nHTTP2-Settings: \r\n"),
        request(connection: "HTTP2-Settings"), request(upgrade: "h2"),
        // A window beyond 2^31 - 1.
        request(fields: "HTTP2-Settings: AASAAAAA\r\n"),
    ]) func `an upgrade that is not in form is ignored`(_ text: String) {
        let wire = Wire.echo()
        wire.send(text)
        wire.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(wire.statuses == [200, 200])
    }

    @Test func `over TLS an upgrade is ignored`() {
        let wire = Wire(peer: Peer(place: .loopback, isEncrypted: true)) { _, exchange in
            exchange.respond(Response(status: 200))
            return .discard
        }
        wire.send(request())
        #expect(wire.statuses == [200])
    }

    @Test func `answers sent before an upgrade count as read when our settings are acknowledged`() {
        let wire = Wire.echo()
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(wire.engine.acknowledgedAnswers == 0)
        wire.send(request())
        #expect(wire.engine.acknowledgedAnswers == 1)
        wire.send(Frame.preface + Frame.settings().bytes)
        #expect(wire.engine.acknowledgedAnswers == 1)
        wire.send(Frame(.settings, flags: Frame.ack).bytes)
        #expect(wire.engine.acknowledgedAnswers == 2)
    }

    @Test func `a client that never speaks HTTP2 after the 101 is let go of`() {
        let wire = Wire.echo()
        wire.send(request())
        wire.advance(.milliseconds(9_999))
        #expect(wire.ending == nil)
        wire.advance(.milliseconds(1))
        #expect(wire.ending == .closeAfterLinger)
    }
}
