import Dispatch
import Foundation
import HTTPWire
import ServiceLimits
import Synchronization
import TestSupport
import Testing
import Transport

/// The transport and the HTTP/1.1 engine together.
@Suite struct HTTPTests {
    /// Counts a body's bytes, pausing at random, and answers with the count; GET gets a file.
    struct Handler: RequestHandler {
        let file: PinnedFile

        func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
            if head.method == "GET" {
                exchange.respond(Response(status: 200, body: .slice(file.slice())))
                return .discard
            }
            return .accept(Counter(exchange))
        }
    }

    final class Counter: BodySink {
        private let exchange: any Exchange
        private var count = 0
        private var random = SplitMix(seed: 3)

        init(_ exchange: any Exchange) { self.exchange = exchange }

        func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
            let taken = Int.random(in: 0...chunk.count, using: &random)
            count += taken
            if taken < chunk.count {
                let exchange = exchange
                DispatchQueue.global().async { exchange.resumeBody() }
            }
            return taken
        }
        func finish() {
            exchange.respond(Response(status: 200, body: .bytes(Array("\(count)".utf8))))
        }
        func abort(_ reason: BodyAbort) {}
    }

    @Test(arguments: Kind.allCases)
    func `uploads and downloads share a connection, pipelined or not`(_ kind: Kind) async throws {
        let file = try PinnedFile(pattern(3_000_000))
        try await withServer(kind, engine: httpEngine(Handler(file: file))) { server in
            let client = try server.connect()
            let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
            let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            let upload = Array(post.utf8) + pattern(2_000_000)
            for _ in 0..<3 {
                Thread.detachNewThread { try? client.send(upload + Array((get + get).utf8)) }
                #expect(try Self.answer(client) == Array("2000000".utf8))
                #expect(try Self.answer(client) == file.content)
                #expect(try Self.answer(client) == file.content)
            }
            client.close()
            file.released.wait(for: 6)
            #expect(file.abandoned.count == 0)
        }
    }

    /// Reads one answer's body.
    static func answer(_ client: Client) throws -> [UInt8] {
        #expect(try client.line() == "HTTP/1.1 200 OK\r")
        var length = -1
        while true {
            let line = try client.line()
            if line == "\r" || line.isEmpty { break }
            let parts = line.dropLast().split(separator: ": ")
            if parts[0].lowercased() == "content-length" { length = Int(parts[1]) ?? -1 }
        }
        return try client.receive(length)
    }
}
