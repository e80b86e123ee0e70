import CBench
import Foundation

/// One blocking keep-alive connection; used by one thread at a time.
final class Connection: @unchecked Sendable {
    struct Answer {
        let status: Int
        /// Bytes of the body.
        let length: Int
        /// The body's beginning, up to 64 KiB.
        let text: String
    }

    /// What is spoken.
    enum Wire {
        case http1, http2
    }

    private enum Address {
        case port(Int)
        case path(String)
    }

    private let address: Address
    private let wire: Wire
    private let isEncrypted: Bool
    /// Opened by the first request: a server may drop a connection on which none comes for long.
    private var link: OpaquePointer?
    private let kept = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)

    /// To a port of 127.0.0.1.
    init(port: Int, wire: Wire = .http1, encrypted: Bool = false) {
        address = .port(port)
        self.wire = wire
        isEncrypted = encrypted
    }

    /// To a Unix socket.
    init(path: String) {
        address = .path(path)
        wire = .http1
        isEncrypted = false
    }

    deinit {
        if let link { bench_link_close(link) }
        kept.deallocate()
    }

    @discardableResult
    func open() throws(BenchError) -> OpaquePointer {
        if let link { return link }
        let fd: Int32
        switch address {
        case .port(let port):
            fd = try BenchError.check("connect to port \(port)", bench_connect_port(Int32(port)))
        case .path(let path):
            fd = try BenchError.check("connect to \(path)", bench_connect_path(path))
        }
        var failed: Int32 = 0
        guard let opened = bench_link_open(fd, isEncrypted, wire == .http2, &failed) else {
            throw .systemCall("begin \(wire)\(isEncrypted ? " over TLS" : "")", -failed)
        }
        link = opened
        return opened
    }

    /// Sends a request and reads its answer; a body beyond 64 KiB is read and dropped.
    func exchange(
        _ method: String, _ target: String, fields: String = "",
        body: UnsafeRawBufferPointer? = nil, passing descriptor: Int32 = -1
    ) throws(BenchError) -> Answer {
        let answer = try exchange(
            method, target, fields: fields, body: body, passing: descriptor, keeping: kept)
        let text = String(decoding: kept.prefix(Int(answer.length)), as: UTF8.self)
        return Answer(status: Int(answer.status), length: answer.length, text: text)
    }

    /// The same with the answer's body kept in `room`.
    ///
    /// - Parameter descriptor: passed with the request, which needs a Unix socket; -1 for none.
    func exchange(
        _ method: String, _ target: String, fields: String = "",
        body: UnsafeRawBufferPointer? = nil, passing descriptor: Int32 = -1,
        keeping room: UnsafeMutableRawBufferPointer
    ) throws(BenchError) -> bench_answer {
        let link = try open()
        var answer = bench_answer()
        let failed = method.withCString { method in
            target.withCString { target in
                fields.withCString { fields in
                    var request = bench_request(
                        method: method, target: target, fields: fields, body: body?.baseAddress,
                        length: body?.count ?? 0, passed: descriptor)
                    return bench_exchange(link, &request, room.baseAddress, room.count, &answer)
                }
            }
        }
        try BenchError.check("\(method) \(target)", failed)
        return answer
    }

    /// The same, where anything but 2xx is a failure.
    @discardableResult
    func succeed(
        _ method: String, _ target: String, fields: String = "",
        body: UnsafeRawBufferPointer? = nil, passing descriptor: Int32 = -1
    ) throws(BenchError) -> Answer {
        let answer = try exchange(
            method, target, fields: fields, body: body, passing: descriptor)
        guard answer.status / 100 == 2 else {
            throw .unexpectedStatus(
                request: "\(method) \(target)", status: answer.status, body: answer.text)
        }
        return answer
    }

    /// The entity tag that a GET is answered with.
    func entityTag(_ target: String) throws(BenchError) -> String {
        let answer = try exchange("GET", target, keeping: kept)
        return withUnsafeBytes(of: answer.entity_tag) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    func redisSet(_ value: UnsafeRawBufferPointer) throws(BenchError) {
        try BenchError.check("SET", bench_redis_set(try open(), value.baseAddress, value.count))
    }
}
