import Averaging
public import StrictJSON
import Synchronization
import Tensors

extension Session {
    /// The whole state as JSON (http-api.md, "Reading").
    public func stateJSON() -> [UInt8] {
        // Copied under the lock, written outside it.
        let (record, heldByteCount, durableRevision, readOnlyReason) = state.withLock { state in
            (
                state.record,
                state.slots.reduce(0) { $0 + $1.heldByteCount }
                    + state.cachedFiles.values.reduce(0) { $0 + $1.byteCount },
                state.durableRevision, state.readOnlyReason
            )
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("session")
        writer.string(name)
        writer.key("incarnation")
        writer.string(incarnation)
        if let owner {
            writer.key("owner")
            writer.string(owner)
        }
        writer.key("revision")
        writer.int(record.revision)
        writer.key("durable_revision")
        writer.optional(durableRevision) { $1.int($0) }
        if let recovered = record.recovered {
            writer.key("recovered")
            recovered.write(to: &writer)
        }
        if let readOnlyReason {
            writer.key("read_only")
            writer.string(readOnlyReason)
        }
        writer.key("settings")
        settings.write(to: &writer)
        writer.key("averages")
        writer.beginObject()
        for average in record.averages {
            writer.key(average.settings.name)
            average.writeState(to: &writer)
        }
        writer.endObject()
        writer.key("last_step")
        writer.beginObject()
        for (trainer, committed) in record.ledger.steps.sorted(by: { $0.key < $1.key }) {
            writer.key(trainer)
            writer.int(committed.step)
        }
        writer.endObject()
        writer.key("layout")
        writer.optional(record.layout) { $0.writeSummary(to: &$1) }
        writer.key("reports")
        writer.int(record.reportCount)
        writer.key("history")
        writer.array(record.history) { $0.write(to: &$1) }
        writer.key("bytes_held")
        writer.int(heldByteCount)
        writer.endObject()
        return writer.bytes
    }

    /// One line of the list of sessions.
    public func writeSummary(to writer: inout JSONWriter) {
        let revision = state.withLock { $0.record.revision }
        writer.beginObject()
        writer.key("session")
        writer.string(name)
        writer.key("incarnation")
        writer.string(incarnation)
        writer.key("revision")
        writer.int(revision)
        writer.endObject()
    }
}

extension ModelLayout {
    fileprivate func writeSummary(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("tensors")
        writer.int(entries.count)
        writer.key("elements")
        writer.int(elementCount)
        writer.key("bytes")
        writer.int(dataByteCount)
        writer.key("latest")
        writer.array(entries.filter { !$0.isAveraged }) { $1.string($0.model.name) }
        writer.endObject()
    }
}

extension SessionRecord.Average {
    fileprivate func writeState(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("averaging_started")
        writer.bool(isStarted)
        writer.key("average_counter")
        writer.int(count)
        writer.key("started")
        writer.optional(trigger.start) { start, writer in
            writer.beginObject()
            writer.key("epoch")
            writer.optional(start.epoch) { $1.int($0) }
            writer.key("revision")
            writer.int(startedRevision)
            writer.key("reason")
            writer.string(start.reason)
            writer.endObject()
        }
        writer.key("losses")
        writer.array(trigger.losses) { $1.double($0) }
        writer.key("changed_revision")
        writer.int(changedRevision)
        writer.endObject()
    }
}
