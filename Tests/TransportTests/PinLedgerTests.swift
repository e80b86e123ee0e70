import HTTPWire
import Testing

@testable import Transport

@Suite struct PinLedgerTests {
    @Test func `a request that came after the last byte releases`() throws {
        let file = try PinnedFile([1])
        var ledger = PinLedger()
        ledger.hold(file.slice().pin, arrived: 100, taken: 100, answers: 4)
        ledger.acknowledge(taken: 150, answers: 4)
        #expect(file.released.count == 0)
        ledger.acknowledge(taken: 200, answers: 5)
        #expect(file.released.count == 1)
        #expect(ledger.isEmpty)
    }

    @Test func `requests that were in the socket already do not release`() throws {
        let file = try PinnedFile([1])
        var ledger = PinLedger()
        ledger.hold(file.slice().pin, arrived: 180, taken: 100, answers: 4)
        // The engine completes heads from bytes that had arrived before.
        ledger.acknowledge(taken: 140, answers: 5)
        ledger.acknowledge(taken: 180, answers: 6)
        #expect(file.released.count == 0)
        ledger.acknowledge(taken: 190, answers: 7)
        #expect(file.released.count == 1)
    }

    @Test func `the end of a peer that had ended before the last byte proves nothing`() throws {
        let (early, late) = (try PinnedFile([1]), try PinnedFile([2]))
        var ledger = PinLedger()
        ledger.holdUnproven(early.slice().pin)
        ledger.hold(late.slice().pin, arrived: 100, taken: 100, answers: 4)
        ledger.peerEnded()
        #expect((early.released.count, late.released.count) == (0, 1))
        ledger.acknowledge(taken: 200, answers: 9)
        #expect(early.released.count == 0)
        ledger.release()
        #expect((early.released.count, early.abandoned.count) == (1, 0))
    }

    @Test func `each slice waits for its own proof`() throws {
        let (first, second) = (try PinnedFile([1]), try PinnedFile([2]))
        var ledger = PinLedger()
        ledger.hold(first.slice().pin, arrived: 10, taken: 10, answers: 1)
        ledger.hold(second.slice().pin, arrived: 20, taken: 20, answers: 2)
        ledger.acknowledge(taken: 20, answers: 2)
        #expect((first.released.count, second.released.count) == (1, 0))
        ledger.abandon()
        #expect((first.abandoned.count, second.abandoned.count) == (0, 1))
        #expect(second.released.count == 1)
    }
}
