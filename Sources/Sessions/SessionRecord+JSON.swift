import Averaging
import StrictJSON
import Tensors

// A session's record as JSON: what the journal begins with and the data directory keeps.

extension SessionRecord {
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.key("settings")
        settings.write(to: &writer)
        if let owner {
            writer.member("owner", owner)
        }
        writer.member("incarnation", incarnation)
        if let recovered {
            writer.key("recovered")
            recovered.write(to: &writer)
        }
        writer.member("revision", revision)
        writer.key("averages")
        writer.array(averages) { $0.write(to: &$1) }
        if let layout {
            writer.key("layout")
            layout.write(to: &writer)
        }
        writer.key("steps")
        writer.array(ledger.steps.map { ($0.key, $0.value) }) { step, writer in
            writer.beginObject()
            writer.member("trainer", step.0)
            writer.member("step", step.1.step)
            writer.member("answer", String(decoding: step.1.answer, as: UTF8.self))
            writer.endObject()
        }
        writer.key("keys")
        writer.array(ledger.keys) { key, writer in
            writer.beginObject()
            RequestIdentity(key: key.key, fingerprint: key.committed.fingerprint)
                .writeMembers(to: &writer)
            writer.member("answer", String(decoding: key.committed.answer, as: UTF8.self))
            writer.endObject()
        }
        writer.member("report_count", reportCount)
        writer.key("history")
        writer.array(history) { $0.write(to: &$1) }
        writer.key("cached")
        writer.array(cached.map { ($0.key, $0.value) }) { cached, writer in
            writer.beginObject()
            cached.1.writeMembers(of: cached.0, to: &writer)
            writer.endObject()
        }
        writer.endObject()
    }

    /// - Parameters:
    ///   - maximumKeys: as configured now; of more keys the oldest are forgotten.
    init(
        _ json: JSONValue, maximumKeys: Int, maximumHistory: Int
    ) throws(RecordError) {
        let object = try RecordObject(json)
        name = try object.string("name")
        do {
            settings = try SessionSettings(try object.value("settings"), maximumAverages: .max)
        } catch {
            throw RecordError(detail: "the settings cannot be read: \(error)")
        }
        owner = try object.optional("owner", RecordObject.string)
        incarnation = try object.string("incarnation")
        recovered = try object.optional("recovered") { value throws(RecordError) in
            try Recovery(RecordObject(value))
        }
        revision = try object.int("revision")
        let saved = try object.array("averages")
        guard saved.count == settings.averages.count else {
            throw RecordError(detail: "it has \(saved.count) averages, the settings have others")
        }
        averages = []
        for (json, average) in zip(saved, settings.averages) {
            averages.append(try Average(average, RecordObject(json)))
        }
        layout = try object.optional("layout", ModelLayout.init)
        ledger = RequestLedger(maximumKeys: maximumKeys)
        for json in try object.array("steps") {
            let step = try RecordObject(json)
            ledger.commit(
                RequestLedger.StepName(
                    trainer: try step.string("trainer"), step: try step.int("step")),
                answer: Array(try step.string("answer").utf8))
        }
        for json in try object.array("keys") {
            let key = try RecordObject(json)
            ledger.commit(
                try RequestIdentity(key), answer: Array(try key.string("answer").utf8))
        }
        reportCount = try object.int("report_count")
        self.maximumHistory = maximumHistory
        for json in try object.array("history").suffix(maximumHistory) {
            history.append(try HistoryEntry(RecordObject(json)))
        }
        for json in try object.array("cached") {
            let file = try RecordObject(json)
            cached[try file.string("trainer")] = try Cached(file)
        }
    }
}

extension SessionRecord.Recovery {
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("to", to)
        writer.member("from", from)
        writer.endObject()
    }

    fileprivate init(_ object: RecordObject) throws(RecordError) {
        to = try object.int("to")
        from = try object.optionalInt("from")
    }
}

extension SessionRecord.Average {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        if let start = trigger.start {
            writer.key("start")
            start.write(to: &writer)
        }
        writer.key("losses")
        writer.array(trigger.losses) { $1.double($0) }
        writer.member("started_revision", startedRevision)
        writer.member("count", count)
        writer.member("changed_revision", changedRevision)
        writer.member("slot", slot)
        writer.endObject()
    }

    fileprivate init(_ settings: AverageSettings, _ object: RecordObject) throws(RecordError) {
        self.settings = settings
        let start = try object.optional("start") { value throws(RecordError) in
            let start = try RecordObject(value)
            return Start(epoch: try start.optionalInt("epoch"), reason: try start.string("reason"))
        }
        var losses: [Double] = []
        for json in try object.array("losses") { losses.append(try RecordObject.double(json)) }
        trigger = TriggerState(start: start, losses: losses)
        startedRevision = try object.int("started_revision")
        count = try object.int("count")
        changedRevision = try object.int("changed_revision")
        slot = try object.optionalInt("slot")
    }
}

extension Start {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("epoch", epoch)
        writer.member("reason", reason)
        writer.endObject()
    }
}

extension SessionRecord.HistoryEntry {
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("epoch", report.epoch)
        writer.member("loss", report.loss)
        writer.member("revision", revision)
        writer.endObject()
    }

    fileprivate init(_ object: RecordObject) throws(RecordError) {
        report = Report(
            epoch: try object.int("epoch"), loss: try object.optionalDouble("loss"))
        revision = try object.int("revision")
    }
}

extension SessionRecord.Cached {
    func writeMembers(of trainer: String, to writer: inout JSONWriter) {
        writer.member("trainer", trainer)
        writer.member("file", file)
        writer.member("content_type", contentType)
        writer.member("bytes", byteCount)
    }

    init(_ object: RecordObject) throws(RecordError) {
        file = try object.int("file")
        contentType = try object.string("content_type")
        byteCount = try object.int("bytes")
    }
}

extension RequestIdentity {
    func writeMembers(to writer: inout JSONWriter) {
        if let step {
            writer.member("trainer", step.trainer)
            writer.member("step", step.step)
        }
        guard let key, let fingerprint else { return }
        writer.member("key", key)
        writer.member("request", fingerprint.head)
        switch fingerprint.body {
        case .sha256(let digest):
            writer.key("sha256")
            writer.array(digest) { $1.int(Int($0)) }
        case .length(let length):
            writer.member("length", length)
        }
    }

    init(_ object: RecordObject) throws(RecordError) {
        step = try object.optional("step") { value throws(RecordError) in
            RequestLedger.StepName(
                trainer: try object.string("trainer"), step: try RecordObject.int(value))
        }
        key = try object.optional("key", RecordObject.string)
        fingerprint = nil
        guard key != nil else { return }
        let body: RequestFingerprint.Body
        if let length = try object.optionalInt("length") {
            body = .length(length)
        } else {
            var digest: [UInt8] = []
            for json in try object.array("sha256") {
                digest.append(UInt8(truncatingIfNeeded: try RecordObject.int(json)))
            }
            body = .sha256(digest)
        }
        fingerprint = RequestFingerprint(head: try object.string("request"), body: body)
    }
}

extension ModelLayout {
    func write(to writer: inout JSONWriter) {
        writer.array(entries) { entry, writer in
            writer.beginObject()
            writer.member("name", entry.model.name)
            writer.member("model", entry.model.elementType.rawValue)
            writer.member("stored", entry.stored.elementType.rawValue)
            writer.key("shape")
            writer.array(entry.model.shape) { $1.int($0) }
            writer.endObject()
        }
    }

    convenience init(_ json: JSONValue) throws(RecordError) {
        guard case .array(let saved) = json else {
            throw RecordError(detail: "the layout is not an array")
        }
        var tensors: [(model: TensorSpec, stored: TensorSpec)] = []
        for json in saved {
            let object = try RecordObject(json)
            let name = try object.string("name")
            var shape: [Int] = []
            for dimension in try object.array("shape") {
                shape.append(try RecordObject.int(dimension))
            }
            guard let type = ElementType(rawValue: try object.string("model")),
                let storedType = ElementType(rawValue: try object.string("stored")),
                let model = TensorSpec(name: name, elementType: type, shape: shape),
                let stored = TensorSpec(name: name, elementType: storedType, shape: shape)
            else { throw RecordError(detail: "the layout of tensor \(name) is invalid") }
            tensors.append((model, stored))
        }
        self.init(canonical: tensors)
    }
}
