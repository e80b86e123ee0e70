import Glibc

/// Why the benchmark cannot go on.
enum BenchError: Error, CustomStringConvertible {
    case systemCall(String, Int32)
    case noMemory(bytes: Int)
    case notReady(program: String, log: String)
    case unexpectedStatus(request: String, status: Int, body: String)
    case wrongAverage(session: String, detail: String)
    case unreadableAnswer(String)
    case usage(String)

    var description: String {
        switch self {
        case .systemCall(let call, let number):
            "\(call): \(String(cString: strerror(number)))"
        case .noMemory(let bytes): "no \(bytes) bytes of memory"
        case .notReady(let program, let log): "\(program) did not become ready; it said:\n\(log)"
        case .unexpectedStatus(let request, let status, let body):
            "\(request) was answered with \(status): \(body)"
        case .wrongAverage(let session, let detail): "WRONG AVERAGE in \(session): \(detail)"
        case .unreadableAnswer(let answer): "cannot read the answer \(answer)"
        case .usage(let text): text
        }
    }

    /// Passes a result of CBench through, or throws when it is a negative errno.
    @discardableResult
    static func check(_ call: String, _ result: Int32) throws(BenchError) -> Int32 {
        guard result >= 0 else { throw .systemCall(call, -result) }
        return result
    }
}
