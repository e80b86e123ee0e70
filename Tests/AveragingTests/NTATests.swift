import Averaging
import Testing

/// Feeds reports until averaging starts; answers the 1-based report that started it.
private func startingReport(
    of trigger: Trigger, losses: [Double], epoch: (Int) -> Int = { $0 }
) -> Int? {
    var state = TriggerState(trigger)
    for (index, loss) in losses.enumerated()
    where state.report(loss: loss, epoch: epoch(index + 1), to: trigger) != nil {
        return index + 1
    }
    return nil
}

private let goldenLosses: [Double] = [5, 4, 3, 2, 3, 3, 3, 3, 3, 3, 3]

@Suite struct AlphaSuffixTests {
    @Test(
        arguments: [
            (0, 10), (0.1, 9), (0.25, 8), (0.5, 5), (0.75, 3), (0.8, 2), (0.9, 1), (1, 1),
        ] as [(Double, Int)])
    func `ten epochs start where the original does`(alpha: Double, epoch: Int) {
        let trigger = Trigger.alphaSuffix(epochs: 10, alpha: alpha)
        #expect(startingReport(of: trigger, losses: [Double](repeating: 0, count: 12)) == epoch)
    }

    @Test func `the reason is told once and the start stays`() {
        let trigger = Trigger.alphaSuffix(epochs: 10, alpha: 0.75)
        var state = TriggerState(trigger)
        #expect(state.report(loss: nil, epoch: 2, to: trigger) == nil)
        let start = Start(epoch: 3, reason: "epoch 3 >= 2.5 = epochs 10 x (1 - alpha 0.75)")
        #expect(state.report(loss: nil, epoch: 3, to: trigger) == start)
        #expect(state.report(loss: nil, epoch: 0, to: trigger) == nil)
        #expect(state.start == start)
        #expect(state.losses.isEmpty)
    }

    @Test func `epoch zero starts only the whole run`() {
        let whole = Trigger.alphaSuffix(epochs: 10, alpha: 1)
        #expect(startingReport(of: whole, losses: [0], epoch: { _ in 0 }) == 1)
        let most = Trigger.alphaSuffix(epochs: 10, alpha: 0.99)
        #expect(startingReport(of: most, losses: [0], epoch: { _ in 0 }) == nil)
    }
}

@Suite struct NTATests {
    @Test(
        arguments: [
            (true, 1, 5), (true, 2, 5), (true, 3, 5), (true, 4, 5), (true, 5, 6), (true, 6, 7),
            (true, 7, 8), (true, 10, 11), (true, 11, nil),
            (false, 1, 6), (false, 2, 7), (false, 3, 8), (false, 4, 9), (false, 5, 10),
            (false, 6, 11),
            (false, 7, nil), (false, 11, nil), (false, Int.max, nil),
        ] as [(Bool, Int, Int?)])
    func `the golden losses start at the known report`(lastN: Bool, n: Int, report: Int?) {
        let trigger = Trigger.nta(NTATrigger(epochs: 100, n: n, lastN: lastN, fallbackAlpha: 0))
        #expect(startingReport(of: trigger, losses: goldenLosses, epoch: { _ in 0 }) == report)
        let mirrored = Trigger.nta(
            NTATrigger(epochs: 100, n: n, maximize: true, lastN: lastN, fallbackAlpha: 0))
        let negated = goldenLosses.map { -$0 }
        #expect(startingReport(of: mirrored, losses: negated, epoch: { _ in 0 }) == report)
    }

    /// A model filled with k uploaded after each report k = 0…10.
    @Test(
        arguments: [
            (true, 1, 7), (true, 4, 7), (true, 5, 7.5), (true, 6, 8), (true, 10, 10),
            (false, 1, 7.5), (false, 3, 8.5), (false, 6, 10),
        ] as [(Bool, Int, Float)])
    func `the golden averages come out`(lastN: Bool, n: Int, expected: Float) {
        let trigger = Trigger.nta(NTATrigger(epochs: 100, n: n, lastN: lastN, fallbackAlpha: 0))
        var state = TriggerState(trigger)
        var average = Average<Float>(count: 1)
        for (model, loss) in goldenLosses.enumerated() {
            _ = state.report(loss: loss, epoch: 0, to: trigger)
            if state.start != nil {
                average.fold([Float(model)], .polynomialDecay(eta: 0))
            }
        }
        #expect(average.values == [expected])
    }

    @Test func `defaults are the original's`() {
        let nta = NTATrigger(epochs: 7)
        #expect(
            nta == NTATrigger(epochs: 7, n: 5, maximize: false, lastN: false, fallbackAlpha: 0.05))
    }

    @Test func `equal losses do not start`() {
        for lastN in [false, true] {
            for maximize in [false, true] {
                let trigger = Trigger.nta(
                    NTATrigger(
                        epochs: 100, n: 1, maximize: maximize, lastN: lastN, fallbackAlpha: 0))
                let flat = [Double](repeating: 1, count: 20)
                #expect(startingReport(of: trigger, losses: flat) == nil)
            }
        }
    }

    @Test func `the loss that triggers is kept, later ones are not`() {
        let trigger = Trigger.nta(NTATrigger(epochs: 100, n: 2, lastN: true))
        var state = TriggerState(trigger)
        for loss in [5, 4, 6, 7, 1] as [Double] {
            _ = state.report(loss: loss, epoch: 1, to: trigger)
        }
        #expect(state.losses == [5, 4, 6])
        #expect(state.start == Start(epoch: 1, reason: "loss 6 > 4, the best of the last 2 losses"))
    }

    @Test func `the last n compare as soon as there are n`() {
        let last = Trigger.nta(NTATrigger(epochs: 100, n: 3, lastN: true))
        #expect(startingReport(of: last, losses: [3, 2, 1, 1.5]) == 4)
        #expect(startingReport(of: last, losses: [1, 2, 3, 3]) == 4)
        #expect(startingReport(of: last, losses: [1, 2, 0.5]) == nil)
        let before = Trigger.nta(NTATrigger(epochs: 100, n: 3))
        #expect(startingReport(of: before, losses: [1, 2, 3]) == nil)
        #expect(startingReport(of: before, losses: [1, 2, 3, 4]) == nil)
        #expect(startingReport(of: before, losses: [1, 2, 3, 4, 4]) == 5)
    }

    @Test(arguments: [0, -1, -5, Int.min])
    func `without n only the fallback starts and nothing is kept`(n: Int) {
        let trigger = Trigger.nta(NTATrigger(epochs: 8, n: n))
        #expect(!trigger.needsLoss)
        var state = TriggerState(trigger)
        for epoch in 1...7 {
            #expect(state.report(loss: Double(epoch), epoch: epoch, to: trigger) == nil)
        }
        let reason = "epoch 8 >= 7.6 = epochs 8 x (1 - fallback_alpha 0.05)"
        #expect(
            state.report(loss: 9, epoch: 8, to: trigger) == Start(epoch: 8, reason: reason))
        #expect(state.losses.isEmpty)
    }

    @Test func `the fallback starts at once when it covers the run and keeps no loss`() {
        let trigger = Trigger.nta(NTATrigger(epochs: 5, fallbackAlpha: 1))
        var state = TriggerState(trigger)
        let reason = "epoch 0 >= 0 = epochs 5 x (1 - fallback_alpha 1)"
        #expect(state.report(loss: 3, epoch: 0, to: trigger) == Start(epoch: 0, reason: reason))
        #expect(state.losses.isEmpty)
    }

    @Test func `the fallback goes before the comparison`() {
        let trigger = Trigger.nta(NTATrigger(epochs: 2, n: 1, lastN: true, fallbackAlpha: 0))
        var state = TriggerState(trigger)
        #expect(state.report(loss: 1, epoch: 1, to: trigger) == nil)
        #expect(state.report(loss: 9, epoch: 2, to: trigger)?.reason.hasPrefix("epoch 2") == true)
        #expect(state.losses == [1])
    }

    @Test func `reasons are in plain words`() {
        func reason(_ nta: NTATrigger, _ losses: [Double]) -> String? {
            var state = TriggerState(.nta(nta))
            for loss in losses { _ = state.report(loss: loss, epoch: 1, to: .nta(nta)) }
            return state.start?.reason
        }
        #expect(
            reason(NTATrigger(epochs: 100), [5, 4, 3, 2, 3, 3, 3, 3, 3, 3])
                == "loss 3 > 2, the best of the losses before the last 5")
        #expect(
            reason(
                NTATrigger(epochs: 100, n: 3, maximize: true, lastN: true), [0.5, 0.5, 0.5, 0.4])
                == "loss 0.4 < 0.5, the best of the last 3 losses")
        #expect(
            reason(NTATrigger(epochs: 100, n: 1, lastN: true), [-1e300, 1e-7])
                == "loss 1e-07 > -1e+300, the last one")
        #expect(
            reason(NTATrigger(epochs: 100, n: 1), [1, 2, 3])
                == "loss 3 > 1, the best of the losses before the last one")
    }

    @Test func `a restored state goes on where it was`() {
        let trigger = Trigger.nta(NTATrigger(epochs: 100, n: 2, fallbackAlpha: 0))
        var whole = TriggerState(trigger)
        for loss in goldenLosses.prefix(6) {
            _ = whole.report(loss: loss, epoch: 0, to: trigger)
        }
        var restored = TriggerState(start: whole.start, losses: whole.losses)
        #expect(restored == whole)
        #expect(restored.report(loss: 3, epoch: 0, to: trigger) != nil)
    }

    @Test func `only a comparison needs losses`() {
        #expect(Trigger.nta(NTATrigger(epochs: 1, n: 1)).needsLoss)
        #expect(!Trigger.alphaSuffix(epochs: 1, alpha: 0.5).needsLoss)
        #expect(!Trigger.immediate.needsLoss)
    }
}

@Test func `immediate averaging has started at creation`() {
    var state = TriggerState(.immediate)
    let start = Start(epoch: nil, reason: "averaging starts with the first upload")
    #expect(state.start == start)
    #expect(state.report(loss: 1, epoch: 1, to: .immediate) == nil)
    #expect(state.start == start)
    #expect(state.losses.isEmpty)
}
