import Testing

@testable import Sessions

@Suite struct RequestLedgerTests {
    private func identity(_ key: String) -> RequestIdentity {
        RequestIdentity(
            key: key, fingerprint: RequestFingerprint(head: "POST \(key)", body: .length(9)))
    }

    @Test func theLastStepOfEachTrainerIsKept() {
        var ledger = RequestLedger(maximumKeys: 4)
        ledger.commit(.init(trainer: "a", step: 1), answer: [1])
        ledger.commit(.init(trainer: "b", step: 7), answer: [2])
        ledger.commit(.init(trainer: "a", step: 5), answer: [3])
        #expect(ledger.steps.mapValues(\.step) == ["a": 5, "b": 7])
        #expect(ledger.steps["a"]?.answer == [3])
        #expect(ledger.steps["b"]?.answer == [2])
    }

    @Test func aKeyIsKeptWithItsFingerprintAndAnswer() {
        var ledger = RequestLedger(maximumKeys: 4)
        ledger.commit(identity("k"), answer: [4, 5])
        #expect(ledger[key: "k"]?.answer == [4, 5])
        #expect(ledger[key: "k"]?.fingerprint == identity("k").fingerprint)
        #expect(ledger[key: "l"] == nil)
        #expect(ledger.steps.isEmpty)
    }

    @Test func theOldestKeyIsForgottenFirst() {
        var ledger = RequestLedger(maximumKeys: 3)
        for number in 1...8 {
            ledger.commit(identity("k\(number)"), answer: [UInt8(number)])
            let kept = max(1, number - 2)...number
            #expect(ledger.keys.map(\.key) == kept.map { "k\($0)" })
            #expect(ledger.keys.map(\.committed.answer) == kept.map { [UInt8($0)] })
        }
        // A forgotten key may come again.
        ledger.commit(identity("k1"), answer: [9])
        #expect(ledger.keys.map(\.key) == ["k7", "k8", "k1"])
    }

    @Test func whatIsInFlightIsKnownUntilItsEnd() {
        var inFlight = RequestsInFlight()
        let step = RequestLedger.StepName(trainer: "a", step: 1)
        inFlight.begin(key: "k", step: step)
        #expect(inFlight.contains("k"))
        #expect(inFlight.contains(step))
        #expect(!inFlight.contains(RequestLedger.StepName(trainer: "b", step: 1)))
        inFlight.end(key: "k", step: step)
        #expect(!inFlight.contains("k"))
        #expect(!inFlight.contains(step))
    }
}
