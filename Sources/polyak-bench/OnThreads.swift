import Foundation

/// Runs `operation` on as many threads at once, waits for all, and throws the first failure.
///
/// Threads of their own, not a pool's: each blocks in its socket.
func onThreads(_ count: Int, _ operation: @escaping @Sendable (Int) throws -> Void) throws {
    let failures = Failures()
    let group = DispatchGroup()
    for index in 0..<count {
        group.enter()
        Thread.detachNewThread {
            do { try operation(index) } catch { failures.add(error) }
            group.leave()
        }
    }
    group.wait()
    if let failure = failures.first { throw failure }
}

/// `@unchecked Sendable`: every access holds the lock.
private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var errors: [any Error] = []

    func add(_ error: any Error) {
        lock.withLock { errors.append(error) }
    }

    var first: (any Error)? { lock.withLock { errors.first } }
}
