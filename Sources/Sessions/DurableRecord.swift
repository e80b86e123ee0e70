import ServiceLimits
import StrictJSON

/// What the file `record` of a durable copy says.
struct DurableRecord {
    var record: SessionRecord
    var contents: DurableCopy.Contents

    func bytes() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("record")
        record.write(to: &writer)
        writer.key("averages")
        writer.array(contents.averages.sorted { $0.key < $1.key }) { entry, writer in
            writer.beginObject()
            writer.member("average", entry.key)
            entry.value.file.writeMembers(to: &writer)
            writer.endObject()
        }
        writer.key("cached_files")
        writer.array(contents.cached.sorted { $0.key < $1.key }) { entry, writer in
            writer.beginObject()
            writer.member("number", entry.key)
            entry.value.writeMembers(to: &writer)
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes
    }

    init(record: SessionRecord, contents: DurableCopy.Contents) {
        self.record = record
        self.contents = contents
    }

    /// Throws `JSONError` and `RecordError`.
    init(bytes: [UInt8], limits: Limits) throws {
        try self.init(try JSONReader.read(bytes, maximumDepth: limits.jsonDepth), limits)
    }

    private init(_ json: JSONValue, _ limits: Limits) throws(RecordError) {
        let object = try RecordObject(json)
        record = try SessionRecord(
            try object.value("record"), maximumKeys: limits.idempotencyKeys,
            maximumHistory: limits.history)
        contents = DurableCopy.Contents(revision: record.revision)
        for json in try object.array("averages") {
            let entry = try RecordObject(json)
            let index = try entry.int("average")
            guard record.averages.indices.contains(index) else {
                throw RecordError(detail: "there is no average number \(index)")
            }
            contents.averages[index] = (
                record.averages[index].changedRevision, try DurableCopy.File(entry)
            )
        }
        for json in try object.array("cached_files") {
            let entry = try RecordObject(json)
            contents.cached[try entry.int("number")] = try DurableCopy.File(entry)
        }
    }
}

extension DurableRecord {
    /// Throws unless the contents are everything that the record refers to.
    func check() throws(RecordError) {
        for (index, average) in record.averages.enumerated() where average.slot != nil {
            let name = average.settings.name
            guard let layout = record.layout, let file = contents.averages[index]?.file else {
                throw .missingModel(name)
            }
            let header = SlotHeader(layout, session: record.name, average.settings)
            guard file.byteCount == header.byteCount + layout.dataByteCount else {
                throw RecordError(detail: "\(file.name) has another size than its layout")
            }
        }
        for cached in record.cached.values
        where contents.cached[cached.file]?.byteCount != cached.byteCount {
            throw .missingCached(cached.file)
        }
    }
}

extension RecordError {
    static func missingModel(_ average: String) -> RecordError {
        RecordError(detail: "the model of \(average) is missing")
    }

    static func missingCached(_ number: Int) -> RecordError {
        RecordError(detail: "cached weights number \(number) are missing")
    }
}

extension DurableCopy.File {
    fileprivate func writeMembers(to writer: inout JSONWriter) {
        writer.member("file", name)
        writer.member("bytes", byteCount)
        writer.key("crc32c")
        writer.array(checksums) { $1.int(Int($0)) }
    }

    fileprivate init(_ object: RecordObject) throws(RecordError) {
        name = try object.string("file")
        byteCount = try object.int("bytes")
        checksums = []
        for json in try object.array("crc32c") {
            checksums.append(UInt32(truncatingIfNeeded: try RecordObject.int(json)))
        }
    }
}
