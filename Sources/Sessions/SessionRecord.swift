import Averaging

/// Everything of a session that survives a restart, except the tensors' bytes: a value that changes
/// only by `apply`, so that replaying the same changes gives the same record.
struct SessionRecord: Sendable {
    /// One average: counters and trigger state, and which slot file holds its tensors.
    struct Average: Sendable {
        let settings: AverageSettings
        var trigger: TriggerState
        /// The session's revision at which averaging started; 0 for from the creation on.
        var startedRevision = 0
        /// Models in the average.
        var count = 0
        /// The session's revision at which this average last changed.
        var changedRevision = 0
        /// The number of the published slot's file; nil before the first model.
        var slot: Int?

        init(_ settings: AverageSettings) {
            self.settings = settings
            trigger = TriggerState(settings.trigger)
        }

        var isStarted: Bool { trigger.start != nil }
    }

    struct HistoryEntry: Sendable {
        var report: Report
        var revision: Int
    }

    /// A trainer's cached weights: the number of their file, and how they were sent.
    struct Cached: Sendable {
        var file: Int
        var contentType: String
        var byteCount: Int
    }

    /// Name, settings, and an incarnation that is new at creation and whenever an older revision
    /// had to be gone back to.
    let name: String
    let settings: SessionSettings
    /// The name of the identity that created the session.
    let owner: String?
    var incarnation: String
    /// The revisions of the last such recovery.
    var recovered: Recovery?
    var revision = 0
    var averages: [Average]
    /// Fixed by the first folded model.
    var layout: ModelLayout?
    var ledger: RequestLedger
    var reportCount = 0
    /// The newest reports, oldest first.
    var history: [HistoryEntry] = []
    let maximumHistory: Int
    var cached: [String: Cached] = [:]

    /// A new session's record.
    init(
        name: String, settings: SessionSettings, owner: String?, incarnation: String,
        maximumKeys: Int, maximumHistory: Int
    ) {
        self.name = name
        self.settings = settings
        self.owner = owner
        self.incarnation = incarnation
        averages = settings.averages.map(Average.init)
        ledger = RequestLedger(maximumKeys: maximumKeys)
        self.maximumHistory = maximumHistory
    }

    struct Recovery: Sendable, Equatable {
        /// The revision that was restored.
        var to: Int
        /// The last one known to have been committed; nil when that cannot be known.
        var from: Int?
    }

    var hasStartedAverage: Bool { averages.contains { $0.isStarted } }
}

/// One committed change of a session, as the journal keeps it.
enum SessionChange: Sendable {
    case folded(Fold)
    case reported(Report, RequestIdentity)
    case cachedStored(trainer: String, SessionRecord.Cached)
    case cachedDropped(trainer: String)

    struct Fold: Sendable {
        struct Part: Sendable {
            /// Index in the averages.
            var average: Int
            /// The number of the slot file that holds the result.
            var slot: Int
        }

        var parts: [Part]
        /// Given by the fold that fixes it.
        var layout: ModelLayout?
        var identity: RequestIdentity
    }
}

/// By what a request is recognised when it is repeated.
struct RequestIdentity: Sendable {
    var step: RequestLedger.StepName?
    var key: String?
    /// Given with a key.
    var fingerprint: RequestFingerprint?
}

extension SessionRecord {
    /// Makes the change; the same at its commit and when it is replayed.
    ///
    /// - Returns: the body of the answer, recorded under the request's identity; empty for cached
    ///   weights.
    mutating func apply(_ change: SessionChange) -> [UInt8] {
        switch change {
        case .folded(let fold): return apply(fold)
        case .reported(let report, let identity): return apply(report, identity)
        case .cachedStored(let trainer, let file): cached[trainer] = file
        case .cachedDropped(let trainer): cached[trainer] = nil
        }
        return []
    }

    private mutating func apply(_ fold: SessionChange.Fold) -> [UInt8] {
        revision += 1
        layout = layout ?? fold.layout
        for part in fold.parts {
            averages[part.average].count += 1
            averages[part.average].changedRevision = revision
            averages[part.average].slot = part.slot
        }
        let answer = uploadAnswer(applied: fold.parts.map(\.average)).bytes()
        ledger.commit(fold.identity, answer: answer)
        return answer
    }

    /// The answer to an upload that was folded into the averages `applied`.
    func uploadAnswer(applied: [Int]) -> UploadAnswer {
        UploadAnswer(
            session: name, revision: revision,
            averages: averages.enumerated().map { index, average in
                UploadAnswer.Average(
                    name: average.settings.name, isStarted: average.isStarted,
                    count: average.count, isApplied: applied.contains(index))
            })
    }

    private mutating func apply(_ report: Report, _ identity: RequestIdentity) -> [UInt8] {
        revision += 1
        reportCount += 1
        history.append(HistoryEntry(report: report, revision: revision))
        if history.count > maximumHistory { history.removeFirst() }
        var answers: [ReportAnswer.Average] = []
        for index in averages.indices {
            let trigger = averages[index].settings.trigger
            let started = averages[index].trigger.report(
                loss: report.loss, epoch: report.epoch, to: trigger)
            if started != nil { averages[index].startedRevision = revision }
            answers.append(
                ReportAnswer.Average(
                    name: averages[index].settings.name, isStarted: averages[index].isStarted,
                    startedNow: started != nil, reason: averages[index].trigger.start?.reason))
        }
        let answer = ReportAnswer(session: name, revision: revision, averages: answers).bytes()
        ledger.commit(identity, answer: answer)
        return answer
    }
}
