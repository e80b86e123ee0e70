import Averaging
import StrictJSON
import Tensors
import Testing

@testable import Sessions

/// Records and changes as JSON, and that replaying changes gives the same record.
@Suite struct SessionRecordTests {
    private func newRecord() throws -> SessionRecord {
        let settings = try SessionSettings(
            json(
                #"{"averages":{"a":{"rule":{"name":"ema","decay":0.9}},"#
                    + #""b":{"strategy":"nta","epochs":100,"n":2}}}"#),
            maximumAverages: 32)
        return SessionRecord(
            name: "s", settings: settings, owner: "ann", incarnation: "00ff", maximumKeys: 3,
            maximumHistory: 4)
    }

    private func changes() throws -> [SessionChange] {
        let layout = ModelLayout(
            header: try ModelLayoutTests.header(ModelLayoutTests.tensors), accumulator: .auto)
        func key(_ name: String, _ body: RequestFingerprint.Body) -> RequestIdentity {
            RequestIdentity(
                key: name,
                fingerprint: RequestFingerprint(head: #"POST /v1 "é""#, body: body))
        }
        var changes: [SessionChange] = [
            .folded(
                .init(
                    parts: [.init(average: 0, slot: 0)], layout: layout,
                    identity: RequestIdentity(step: .init(trainer: "a \"b\"", step: 3)))),
            .cachedStored(
                trainer: "default", .init(file: 1, contentType: "a/b; c=\"d\"", byteCount: 10)),
            .reported(Report(epoch: 1, loss: 0.1), key("r", .sha256([0, 127, 255]))),
            .cachedStored(trainer: "x", .init(file: 2, contentType: "e/f", byteCount: 0)),
            .cachedDropped(trainer: "x"),
        ]
        for loss in [5e-324, 1.7976931348623157e308, -0.0, 3] {
            changes.append(.reported(Report(epoch: 2, loss: loss), RequestIdentity()))
        }
        changes.append(.reported(Report(epoch: 3, loss: nil), RequestIdentity()))
        for number in 0..<5 {
            var identity = key("k\(number)", .length(number))
            identity.step = .init(trainer: "t\(number % 2)", step: number)
            changes.append(
                .folded(
                    .init(
                        parts: [
                            .init(average: 1, slot: number), .init(average: 0, slot: number + 1),
                        ], identity: identity)))
        }
        return changes
    }

    private func read(_ text: String) throws -> SessionRecord {
        try SessionRecord(json(text), maximumKeys: 3, maximumHistory: 4)
    }

    /// What a record says, without the order of its dictionaries.
    private func facts(_ record: SessionRecord) -> [String] {
        var facts = [
            record.name, "\(record.settings)", String(describing: record.owner),
            record.incarnation,
            String(describing: record.recovered), "\(record.revision)", "\(record.reportCount)",
            "\(record.history)", "\(record.averages)",
            "\(record.layout?.entries.map { "\($0)" } ?? [])",
        ]
        facts += record.ledger.keys.map { "\($0)" }
        facts += record.ledger.steps.map { "\($0)" }.sorted()
        facts += record.cached.map { "\($0)" }.sorted()
        return facts
    }

    @Test func replayingTheJournalGivesTheLiveRecordAfterEveryChange() throws {
        var live = try newRecord()
        var replayed = try read(String(decoding: live.bytes(), as: UTF8.self))
        for change in try changes() {
            let answer = live.apply(change)
            let saved = try SessionChange(
                json(String(decoding: change.bytes(), as: UTF8.self)))
            #expect(replayed.apply(saved) == answer)
            #expect(facts(replayed) == facts(live))
            // A compacted journal begins with the record itself.
            replayed = try read(String(decoding: live.bytes(), as: UTF8.self))
            #expect(facts(replayed) == facts(live))
        }
        // Six folds and six reports; the third loss, -0, is not above the least of those before
        // the last two, and 3 is above 0.1.
        #expect(live.revision == 12)
        #expect(live.averages.map(\.count) == [6, 5])
        #expect(live.averages.map(\.slot) == [5, 4])
        #expect(live.averages[1].startedRevision == 6)
        #expect(live.averages[1].trigger.losses == [0.1, 5e-324, 1.7976931348623157e308, -0.0, 3])
        #expect(live.ledger.keys.map(\.key) == ["k2", "k3", "k4"])
        #expect(live.ledger.steps.mapValues(\.step) == ["a \"b\"": 3, "t0": 4, "t1": 3])
        #expect(live.history.map(\.revision) == [4, 5, 6, 7])
        #expect(live.reportCount == 6)
        #expect(live.cached.keys.sorted() == ["default"])
    }

    @Test func recordsOfLowerLimitsForgetTheOldest() throws {
        var record = try newRecord()
        for change in try changes() { _ = record.apply(change) }
        let small = try SessionRecord(
            json(String(decoding: record.bytes(), as: UTF8.self)), maximumKeys: 1,
            maximumHistory: 2)
        #expect(small.ledger.keys.map(\.key) == ["k4"])
        #expect(small.history.map(\.revision) == [6, 7])
    }

    @Test func aRecordOfBeforeThereWereOwnersHasNone() throws {
        let text = String(decoding: try newRecord().bytes(), as: UTF8.self)
        #expect(try read(text).owner == "ann")
        #expect(try read(text.replacing(#""owner":"ann","#, with: "")).owner == nil)
    }

    @Test func aRecoveryIsKept() throws {
        var record = try newRecord()
        for from in [9, nil] {
            record.recovered = .init(to: 3, from: from)
            let again = try read(String(decoding: record.bytes(), as: UTF8.self))
            #expect(again.recovered == .init(to: 3, from: from))
        }
    }

    @Test(arguments: [
        "[]", "{}", #"{"change":7}"#, #"{"change":"melted"}"#, #"{"change":"folded"}"#,
        #"{"change":"folded","parts":[[0]]}"#, #"{"change":"folded","parts":[[0,0.5]]}"#,
        #"{"change":"reported"}"#, #"{"change":"reported","epoch":1,"loss":"1"}"#,
        #"{"change":"cached_dropped"}"#, #"{"change":"folded","parts":[],"key":"k"}"#,
    ])
    func aChangeThatCannotBeReadIsAnError(text: String) throws {
        let value = try json(text)
        #expect(throws: RecordError.self) { _ = try SessionChange(value) }
    }

    @Test(arguments: [
        (#""revision":0"#, #""revision":"0""#), (#""incarnation":"00ff","#, ""),
        (#""owner":"ann""#, #""owner":1"#),
        (#""decay":0.9"#, #""decay":9"#), (#""averages":[{"#, #""averages":[{},{"#),
        (#""report_count":0"#, #""report_count":null"#),
    ])
    func aDamagedRecordIsAnError(part: String, damage: String) throws {
        let text = String(decoding: try newRecord().bytes(), as: UTF8.self)
        #expect(text.contains(part))
        #expect(throws: RecordError.self) { _ = try read(text.replacing(part, with: damage)) }
    }
}
