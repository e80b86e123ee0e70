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
        writer.member("session", name)
        writer.member("incarnation", incarnation)
        if let owner {
            writer.member("owner", owner)
        }
        writer.member("revision", record.revision)
        writer.member("durable_revision", durableRevision)
        if let recovered = record.recovered {
            writer.key("recovered")
            recovered.write(to: &writer)
        }
        if let readOnlyReason {
            writer.member("read_only", readOnlyReason)
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
            writer.member(trainer, committed.step)
        }
        writer.endObject()
        writer.key("layout")
        writer.optional(record.layout) { $0.writeSummary(to: &$1) }
        writer.member("reports", record.reportCount)
        writer.key("history")
        writer.array(record.history) { $0.write(to: &$1) }
        writer.member("bytes_held", heldByteCount)
        writer.endObject()
        return writer.bytes
    }

    /// One line of the list of sessions.
    public func writeSummary(to writer: inout JSONWriter) {
        let revision = state.withLock { $0.record.revision }
        writer.beginObject()
        writer.member("session", name)
        writer.member("incarnation", incarnation)
        writer.member("revision", revision)
        writer.endObject()
    }
}

extension ModelLayout {
    fileprivate func writeSummary(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("tensors", entries.count)
        writer.member("elements", elementCount)
        writer.member("bytes", dataByteCount)
        writer.key("latest")
        writer.array(entries.filter { !$0.isAveraged }) { $1.string($0.model.name) }
        writer.endObject()
    }
}

extension SessionRecord.Average {
    fileprivate func writeState(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("averaging_started", isStarted)
        writer.member("average_counter", count)
        writer.key("started")
        writer.optional(trigger.start) { start, writer in
            writer.beginObject()
            writer.member("epoch", start.epoch)
            writer.member("revision", startedRevision)
            writer.member("reason", start.reason)
            writer.endObject()
        }
        writer.key("losses")
        writer.array(trigger.losses) { $1.double($0) }
        writer.member("changed_revision", changedRevision)
        writer.endObject()
    }
}
