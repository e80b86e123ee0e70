import StrictJSON

// A change as one entry of the journal.

extension SessionChange {
    func bytes() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        switch self {
        case .folded(let fold):
            writer.member("change", "folded")
            writer.key("parts")
            writer.array(fold.parts) { part, writer in
                writer.beginArray()
                writer.int(part.average)
                writer.int(part.slot)
                writer.endArray()
            }
            if let layout = fold.layout {
                writer.key("layout")
                layout.write(to: &writer)
            }
            fold.identity.writeMembers(to: &writer)
        case .reported(let report, let identity):
            writer.member("change", "reported")
            writer.member("epoch", report.epoch)
            writer.member("loss", report.loss)
            identity.writeMembers(to: &writer)
        case .cachedStored(let trainer, let file):
            writer.member("change", "cached_stored")
            file.writeMembers(of: trainer, to: &writer)
        case .cachedDropped(let trainer):
            writer.member("change", "cached_dropped")
            writer.member("trainer", trainer)
        }
        writer.endObject()
        return writer.bytes
    }

    init(_ json: JSONValue) throws(RecordError) {
        let object = try RecordObject(json)
        switch try object.string("change") {
        case "folded": self = .folded(try Fold(object))
        case "reported":
            self = .reported(
                Report(epoch: try object.int("epoch"), loss: try object.optionalDouble("loss")),
                try RequestIdentity(object))
        case "cached_stored":
            self = .cachedStored(
                trainer: try object.string("trainer"), try SessionRecord.Cached(object))
        case "cached_dropped": self = .cachedDropped(trainer: try object.string("trainer"))
        case let other: throw RecordError(detail: "there is no change \"\(other)\"")
        }
    }
}

extension SessionChange.Fold {
    fileprivate init(_ object: RecordObject) throws(RecordError) {
        parts = []
        for json in try object.array("parts") {
            guard case .array(let pair) = json, pair.count == 2 else {
                throw RecordError(detail: "a part is not a pair")
            }
            parts.append(
                Part(average: try RecordObject.int(pair[0]), slot: try RecordObject.int(pair[1])))
        }
        layout = try object.optional("layout", ModelLayout.init)
        identity = try RequestIdentity(object)
    }
}
