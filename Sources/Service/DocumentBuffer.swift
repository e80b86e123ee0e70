import HTTPWire
import Sessions

/// A JSON body as it comes, whole in memory until its end: held to a limit of its own, and to what
/// all of them may hold together. On the connection's lane only.
final class DocumentBuffer {
    /// What each may have beside the budget: more than a report or the usual settings need, so that
    /// those get through while others spend the budget.
    static let freeBytes = 4 * 1024

    private(set) var bytes: [UInt8] = []
    private let limit: Int
    private let what: String
    private let budget: ByteBudget
    private var claimedByteCount = 0

    /// - Parameters:
    ///   - limit: bytes of this body.
    ///   - what: the body's name in a refusal.
    ///   - budget: bytes of all bodies.
    init(limit: Int, what: String, budget: ByteBudget) {
        self.limit = limit
        self.what = what
        self.budget = budget
    }

    deinit { budget.give(back: claimedByteCount) }

    /// Appends all of `chunk`, or nothing.
    ///
    /// - Throws: 413 beyond the limit; 503 when the budget is spent.
    func append(_ chunk: UnsafeRawBufferPointer) throws(Refusal) {
        let count = bytes.count + chunk.count
        guard count <= limit else { throw Refusal(.tooLarge(limit: limit, what)) }
        let more = count - Self.freeBytes - claimedByteCount
        if more > 0 {
            guard budget.take(more) else { throw Refusal(overloaded) }
            claimedByteCount += more
        }
        bytes.append(contentsOf: chunk)
    }

    private var overloaded: Problem {
        ProblemKind.overloaded.problem(
            "the JSON bodies that are being received have \(budget.limit) bytes, as many as all "
                + "may have: send \(what) again in a moment",
            fields: [("Retry-After", "1")])
    }
}
