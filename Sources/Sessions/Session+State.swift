import Averaging
public import StrictJSON
import Synchronization
import Tensors

extension Session {
    /// The whole state as JSON (http-api.md, "Reading").
    public func stateJSON() -> [UInt8] {
        let (state, cachedByteCount) = (snapshot(), cached.byteCount)
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("session")
        writer.string(name)
        writer.key("incarnation")
        writer.string(incarnation)
        writer.key("revision")
        writer.int(state.revision)
        writer.key("durable_revision")
        writer.null()
        writer.key("settings")
        settings.write(to: &writer)
        writer.key("averages")
        writer.beginObject()
        for average in state.averages {
            writer.key(average.settings.name)
            average.write(to: &writer)
        }
        writer.endObject()
        writer.key("last_step")
        writer.beginObject()
        for (trainer, step) in state.steps {
            writer.key(trainer)
            writer.int(step)
        }
        writer.endObject()
        write(state.layout, to: &writer)
        writer.key("reports")
        writer.int(state.reportCount)
        writer.key("history")
        writer.beginArray()
        for entry in state.history { entry.write(to: &writer) }
        writer.endArray()
        writer.key("bytes_held")
        writer.int(state.averages.reduce(cachedByteCount) { $0 + $1.heldByteCount })
        writer.endObject()
        return writer.bytes
    }

    /// One line of the list of sessions.
    public func writeSummary(to writer: inout JSONWriter) {
        let revision = state.withLock { $0.revision }
        writer.beginObject()
        writer.key("session")
        writer.string(name)
        writer.key("incarnation")
        writer.string(incarnation)
        writer.key("revision")
        writer.int(revision)
        writer.endObject()
    }

    private struct Snapshot {
        var revision: Int
        var averages: [AverageState]
        var steps: [(trainer: String, step: Int)]
        var layout: ModelLayout?
        var reportCount: Int
        var history: [HistoryEntry]
    }

    /// Copies what the state shows, so that it is written without the lock.
    private func snapshot() -> Snapshot {
        state.withLock { state in
            Snapshot(
                revision: state.revision, averages: state.averages,
                steps: state.ledger.steps.map { ($0.key, $0.value.step) }.sorted { $0.0 < $1.0 },
                layout: state.layout, reportCount: state.reportCount, history: state.history)
        }
    }

    private func write(_ layout: ModelLayout?, to writer: inout JSONWriter) {
        writer.key("layout")
        guard let layout else { return writer.null() }
        writer.beginObject()
        writer.key("tensors")
        writer.int(layout.entries.count)
        writer.key("elements")
        writer.int(layout.elementCount)
        writer.key("bytes")
        writer.int(layout.dataByteCount)
        writer.key("latest")
        writer.beginArray()
        for entry in layout.entries where !entry.isAveraged { writer.string(entry.model.name) }
        writer.endArray()
        writer.endObject()
    }
}

extension AverageState {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("averaging_started")
        writer.bool(isStarted)
        writer.key("average_counter")
        writer.int(count)
        writer.key("started")
        if let start = trigger.start {
            writer.beginObject()
            writer.key("epoch")
            if let epoch = start.epoch { writer.int(epoch) } else { writer.null() }
            writer.key("revision")
            writer.int(startedRevision)
            writer.key("reason")
            writer.string(start.reason)
            writer.endObject()
        } else {
            writer.null()
        }
        writer.key("losses")
        writer.beginArray()
        for loss in trigger.losses { writer.double(loss) }
        writer.endArray()
        writer.key("changed_revision")
        writer.int(changedRevision)
        writer.endObject()
    }
}

extension Session.HistoryEntry {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("epoch")
        writer.int(report.epoch)
        writer.key("loss")
        if let loss = report.loss { writer.double(loss) } else { writer.null() }
        writer.key("revision")
        writer.int(revision)
        writer.endObject()
    }
}
