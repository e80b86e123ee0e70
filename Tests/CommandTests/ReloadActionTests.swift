import Logging
import Synchronization
import Testing

@testable import polyak

@Suite struct ReloadActionTests {
    private struct Broken: Error, CustomStringConvertible {
        let description = "line 3 is wrong"
    }

    @Test func `an action that fails is logged, and the others run`() {
        let lines = LogLines()
        let runs = Mutex(0)
        ReloadAction.run(
            [
                ReloadAction(name: "tokens") { throw Broken() },
                ReloadAction(name: "certificate") {
                    runs.withLock { $0 += 1 }
                    return "one, until June"
                },
            ], Logger(label: "test") { _ in lines })
        #expect(runs.withLock { $0 } == 1)
        #expect(
            lines.all == [
                "error tokens not read again, the old stay in force: line 3 is wrong",
                "notice certificate read again found=one, until June",
            ])
    }
}
