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

    private enum Address {
        case port(Int)
        case path(String)
    }

    private let address: Address
    /// Opened by the first request: a server may drop a connection on which none comes for long.
    private var fd: Int32 = -1
    private let kept = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)

    /// To a port of 127.0.0.1.
    init(port: Int) {
        address = .port(port)
    }

    /// To a Unix socket.
    init(path: String) {
        address = .path(path)
    }

    deinit {
        if fd >= 0 { close(fd) }
        kept.deallocate()
    }

    func open() throws(BenchError) {
        guard fd < 0 else { return }
        switch address {
        case .port(let port):
            fd = try BenchError.check("connect to port \(port)", bench_connect_port(Int32(port)))
        case .path(let path):
            fd = try BenchError.check("connect to \(path)", bench_connect_path(path))
        }
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
        try open()
        let length = body.map { "Content-Length: \($0.count)\r\n" } ?? ""
        let head = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\(length)\r\n"
        var answer = bench_answer()
        let failed = bench_exchange(
            fd, descriptor, head, head.utf8.count, body?.baseAddress, body?.count ?? 0,
            room.baseAddress,
            room.count, &answer)
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
        try open()
        try BenchError.check("SET", bench_redis_set(fd, value.baseAddress, value.count))
    }
}
