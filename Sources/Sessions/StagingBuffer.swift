import Glibc

/// The body of an upload that came before its turn, or the part of it that the budget let in.
///
/// Address space is reserved for the whole announced body; memory is taken as bytes arrive.
/// Owned by one upload, which uses it from one thread at a time.
struct StagingBuffer: ~Copyable {
    private let base: UnsafeMutableRawPointer?
    private let capacity: Int
    private let budget: ByteBudget
    private(set) var byteCount = 0

    /// - Parameter announced: the body's length when it is known.
    init(announced: Int?, budget: ByteBudget) {
        self.budget = budget
        capacity = max(1, min(announced ?? budget.limit, budget.limit))
        let mapped = mmap(
            nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            -1, 0)
        base = mapped == MAP_FAILED ? nil : mapped
    }

    deinit {
        if let base { munmap(base, capacity) }
        budget.give(back: byteCount)
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

    /// Appends all of `chunk`, or nothing when there is no room for it.
    mutating func append(_ chunk: UnsafeRawBufferPointer) -> Bool {
        guard let base, let source = chunk.baseAddress, byteCount + chunk.count <= capacity,
            budget.take(chunk.count)
        else { return chunk.isEmpty }
        memcpy(base + byteCount, source, chunk.count)
        byteCount += chunk.count
        return true
    }
}
