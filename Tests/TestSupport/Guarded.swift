import Glibc

/// A value behind a lock of the C library, which the thread sanitizer knows. When the standard
/// library's `Mutex` is contended for, it is taken in code that is not instrumented: what a test
/// hands over through it, and touches outside it, would seem to race.
///
/// `@unchecked Sendable`: the value is touched only under the lock.
public final class Guarded<Value: Sendable>: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    public init(_ value: Value) {
        self.value = value
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Must not be called again inside `body`.
    public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(&value)
    }
}
