import HTTPWire
import ServiceLimits

enum Ending { case close, closeAfterLinger, reset }

/// One connection, with a transport without sockets: it keeps what the engine refuses, offers it
/// again only when woken, and asks for output after every call, as `WireEngine` says.
final class Wire {
    let host = FakeHost()
    let handler: FakeHandler
    private(set) var engine: any WireEngine
    var now: Instant
    /// What was written; a slice as so many `#`.
    private(set) var written: [UInt8] = []
    private(set) var ending: Ending?
    /// How often something was written.
    private(set) var writes = 0
    private(set) var kept: [UInt8] = []
    /// Outputs are only asked for while set.
    var canWrite = true

    init(
        limits: Limits = Limits(), peer: Peer = .loopback, _ handle: @escaping FakeHandler.Handle
    ) {
        handler = FakeHandler(handle)
        let start = Instant(nanoseconds: 0)
        now = start
        engine = HTTP1Engine(
            limits: limits, handler: handler, host: host, peer: peer, now: start)
    }

    /// Answers every request with 200 and its path, reading no body.
    static func echo(limits: Limits = Limits()) -> Wire {
        Wire(limits: limits) { head, exchange in
            exchange.respond(Response(status: 200, body: .bytes(Array(head.path.utf8))))
            return .discard
        }
    }

    /// Pushes each body into `sink` and leaves the answer to the test.
    static func upload(_ sink: FakeSink, limits: Limits = Limits()) -> Wire {
        Wire(limits: limits) { _, _ in .accept(sink) }
    }

    var output: String { String(decoding: written, as: UTF8.self) }
    var exchange: any Exchange { handler.exchanges[handler.exchanges.count - 1] }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        let hadKept = !kept.isEmpty
        kept.append(contentsOf: bytes)
        if !hadKept { offer() }
        settle()
    }

    func sendEnd() {
        engine.receiveEnd(now: now)
        settle()
    }

    func advance(_ duration: Duration, unreadBytes: Int = 0) {
        now = now + duration
        if let deadline = engine.deadline, deadline <= now, ending == nil {
            engine.timeExpired(now: now, unreadBytes: unreadBytes)
        }
        settle()
    }

    func shutDown() {
        engine.beginShutdown(now: now)
        settle()
    }

    func endGrace(leaving duration: Duration) {
        engine.endGrace(now: now, until: now + duration)
        settle()
    }

    /// Runs until nothing more happens.
    func settle() {
        repeat {
            if host.isWoken {
                host.isWoken = false
                if !kept.isEmpty { offer() }
            }
            write()
            let work = host.queue.work
            host.queue.work = []
            for item in work { item() }
        } while host.isWoken || !host.queue.work.isEmpty
    }

    private func offer() {
        let taken = kept.withUnsafeBytes { engine.receive($0, now: now) }
        kept.removeFirst(taken)
        guard let successor = host.successor else { return }
        host.successor = nil
        engine.disconnected()
        engine = successor
        if !kept.isEmpty { offer() }
    }

    private func write() {
        while canWrite, ending == nil {
            let output = engine.nextOutput(now: now)
            writes += 1
            switch output {
            case .bytes(let bytes): write(.bytes(bytes))
            case .slice(let slice): write(.slice(slice))
            case .pieces(let pieces): for piece in pieces { write(piece) }
            case .nothing:
                writes -= 1
                return
            case .close: ending = .close
            case .closeAfterLinger: ending = .closeAfterLinger
            case .reset: ending = .reset
            }
        }
    }

    private func write(_ piece: OutputPiece) {
        switch piece {
        case .bytes(let bytes): written.append(contentsOf: bytes)
        case .slice(let slice):
            written.append(contentsOf: repeatElement(UInt8(ascii: "#"), count: slice.count))
        }
    }
}

/// A response as a client would read it.
struct ParsedResponse {
    var status: Int
    var fields: [String: String] = [:]
    var body = ""
}

extension Wire {
    /// Everything written, taken apart by Content-Length alone (chunked bodies stay as they are).
    func responses(toHead: Bool = false) -> [ParsedResponse] {
        var rest = written[...]
        var responses: [ParsedResponse] = []
        while !rest.isEmpty {
            var response = ParsedResponse(status: 0)
            while let end = rest.firstIndex(of: 10) {
                let line = String(decoding: rest[..<end].dropLast(), as: UTF8.self)
                rest = rest[(end + 1)...]
                if line.isEmpty { break }
                if response.status == 0 {
                    response.status = Int(line.dropFirst(9).prefix(3)) ?? -1
                } else {
                    let colon = line.firstIndex(of: ":") ?? line.endIndex
                    response.fields[line[..<colon].lowercased()] =
                        String(line[colon...].dropFirst(2))
                }
            }
            guard response.status > 0 else { break }
            let length = response.fields["content-length"].flatMap { Int($0) }
            let isBodyless = toHead || response.status == 304 || response.status < 200
            let count = isBodyless ? 0 : length ?? (response.status == 204 ? 0 : rest.count)
            response.body = String(decoding: rest.prefix(count), as: UTF8.self)
            rest = rest.dropFirst(count)
            responses.append(response)
        }
        return responses
    }

    var statuses: [Int] { responses().map(\.status) }
}
