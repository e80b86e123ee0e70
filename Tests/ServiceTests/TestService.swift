import Foundation
import HTTPWire
import Logging
import Service
import ServiceLimits
import TestSupport
import Testing

/// A service with directories of its own, which go with it.
final class TestService {
    let service: PolyakService
    private let directory: TemporaryDirectory

    /// - Parameter access: the text of a token file.
    init(_ limits: Limits = Limits(), access: String? = nil) throws {
        directory = try TemporaryDirectory()
        service = try PolyakService(
            limits: limits, dataDirectory: directory("data"), runtimeDirectory: directory("run"),
            access: try access.map {
                AccessControl(try AccessList(parsing: $0, maximumCount: limits.identities))
            },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// One whole request and its answer.
    ///
    /// - Parameters:
    ///   - target: path and query.
    ///   - body: nil: neither length nor chunked.
    ///   - length: what is announced, if not the body's length.
    @discardableResult
    func send(
        _ method: String, _ target: String, _ fields: [(String, String)] = [],
        body: [UInt8]? = nil, length: BodyLength? = nil, chunk: Int = .max,
        from peer: Peer = .loopback
    ) -> Answer {
        let exchange = FakeExchange()
        begin(
            method, target, fields, body: body, length: length, chunk: chunk, from: peer, exchange)
        return exchange.answered()
    }

    @discardableResult
    func send(
        _ method: String, _ target: String, _ fields: [(String, String)] = [], json: String
    ) -> Answer {
        send(method, target, fields, body: Array(json.utf8))
    }

    /// Sends a request whose answer may come later.
    ///
    /// - Returns: what takes the body; nil when nobody wants it.
    @discardableResult
    func begin(
        _ method: String, _ target: String, _ fields: [(String, String)] = [],
        body: [UInt8]? = nil, length: BodyLength? = nil, chunk: Int = .max, expects: Bool = false,
        from peer: Peer = .loopback, _ exchange: FakeExchange
    ) -> (any BodySink)? {
        var headers = HeaderFields()
        for (name, value) in fields { headers.append(name: name, value: value) }
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let head = RequestHead(
            method: method, path: String(parts[0]),
            query: parts.count > 1 ? String(parts[1]) : nil, fields: headers,
            body: length ?? body.map { .known($0.count) } ?? .none, expectsContinue: expects,
            peer: peer)
        switch service.handle(head, exchange: exchange) {
        case .discard: return nil
        case .accept(let sink), .acceptLater(let sink):
            if let body { exchange.push(body, to: sink, chunk: chunk) }
            return sink
        }
    }

    /// Creates the session `s`.
    func create(_ settings: String = #"{"rule":{"name":"ema","decay":0.5}}"#) {
        let answer = send("PUT", "/v1/sessions/s", json: settings)
        #expect(answer.status == 201, "\(answer.text)")
    }

    /// Uploads to the session `s`.
    @discardableResult
    func upload(_ model: [UInt8], query: String = "") -> Answer {
        send("POST", "/v1/sessions/s/parameters\(query)", body: model)
    }
}

/// A safetensors file, put together by hand: `header` is JSON, `data` the elements' bytes.
func file(_ header: String, _ data: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        + Array(header.utf8) + data
}

/// A model of one F32 tensor `w`.
func model(_ values: Float...) -> [UInt8] {
    let bytes = values.withUnsafeBytes { Array($0) }
    return file(
        #"{"w":{"dtype":"F32","shape":[\#(values.count)],"data_offsets":[0,\#(bytes.count)]}}"#,
        bytes)
}
