import Storage
import StrictJSON
import Synchronization

/// A session's copy in the data directory: one revision whole, which a power cut does not lose.
///
/// `record` holds the session's record and the checksums of every other file it refers to, and is
/// replaced atomically, last. A file that the present record refers to is never written: each
/// average alternates between two. Any thread; one write at a time.
final class DurableCopy: Sendable {
    /// A file that the record refers to, with the CRC32C of each of its blocks.
    struct File: Sendable {
        var name: String
        var byteCount: Int
        var checksums: [UInt32]
    }

    struct Contents: Sendable {
        var revision: Int
        /// By the average's index; with the revision at which it last changed.
        var averages: [Int: (changedRevision: Int, file: File)] = [:]
        /// By the number of the cached file.
        var cached: [Int: File] = [:]

        var files: [File] { averages.values.map(\.file) + cached.values }
    }

    private struct State {
        var contents: Contents?
        var isDeleted = false
    }

    let directory: String
    private let state: Mutex<State>

    /// - Parameter contents: what the present record refers to; nil without one.
    init(directory: String, contents: Contents?) {
        self.directory = directory
        state = Mutex(State(contents: contents))
    }

    static func recordPath(in directory: String) -> String { directory + "/record" }

    /// Writes `record` with everything it refers to; returns when a power cut cannot lose it.
    ///
    /// Only what changed since the last write is written. May take long.
    func write(
        _ record: SessionRecord, models: [Int: SlotPin], cached: [String: CachedFile]
    ) throws(StorageError) {
        let result = state.withLock { state in
            Result { () throws(StorageError) in
                guard !state.isDeleted else { return }
                if state.contents == nil { try Directories.createDurably(directory) }
                let contents = try writeFiles(record, models, cached, after: state.contents)
                try RecordFile.write(
                    DurableRecord(record: record, contents: contents).bytes(),
                    to: DurableCopy.recordPath(in: directory), durable: true)
                let old = state.contents
                state.contents = contents
                removeCached(of: old, notIn: contents)
            }
        }
        try result.get()
    }

    private func writeFiles(
        _ record: SessionRecord, _ models: [Int: SlotPin], _ cached: [String: CachedFile],
        after old: Contents?
    ) throws(StorageError) -> Contents {
        var contents = Contents(revision: record.revision)
        for (index, pin) in models {
            let average = record.averages[index]
            if let known = old?.averages[index], known.changedRevision == average.changedRevision {
                contents.averages[index] = known
                continue
            }
            let names = (0...1).map { "\(average.settings.name).\($0).safetensors" }
            let name = old?.averages[index]?.file.name == names[0] ? names[1] : names[0]
            let bytes = UnsafeRawBufferPointer(start: pin.slot.base, count: pin.slot.byteCount)
            let file = try file(name, byteCount: bytes.count) { path throws(StorageError) in
                try CheckpointFile.write(bytes, to: path)
            }
            contents.averages[index] = (average.changedRevision, file)
        }
        for cachedFile in cached.values {
            if let known = old?.cached[cachedFile.number] {
                contents.cached[cachedFile.number] = known
                continue
            }
            let name = "cached.\(cachedFile.number)"
            contents.cached[cachedFile.number] = try file(
                name, byteCount: cachedFile.byteCount
            ) { path throws(StorageError) in
                try CheckpointFile.write(
                    from: cachedFile.fileDescriptor, byteCount: cachedFile.byteCount, to: path)
            }
        }
        return contents
    }

    /// Writes one file; frees what was taken when there is no room for it.
    private func file(
        _ name: String, byteCount: Int, _ write: (String) throws(StorageError) -> [UInt32]
    ) throws(StorageError) -> File {
        let path = "\(directory)/\(name)"
        do throws(StorageError) {
            return File(name: name, byteCount: byteCount, checksums: try write(path))
        } catch {
            if case .noSpace = error { Directories.discard(path) }
            throw error
        }
    }

    private func removeCached(of old: Contents?, notIn new: Contents) {
        for (number, file) in old?.cached ?? [:] where new.cached[number] == nil {
            Directories.discard("\(directory)/\(file.name)")
        }
    }

    /// Removes the copy, durably; waits for a write in progress.
    func delete() throws(StorageError) {
        let result = state.withLock { state in
            Result { () throws(StorageError) in
                state.isDeleted = true
                guard state.contents != nil else { return }
                try Directories.removeDurably(DurableCopy.recordPath(in: directory))
                state.contents = nil
                Directories.discardTree(directory)
            }
        }
        try result.get()
    }
}

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
            writer.key("average")
            writer.int(entry.key)
            entry.value.file.writeMembers(to: &writer)
            writer.endObject()
        }
        writer.key("cached_files")
        writer.array(contents.cached.sorted { $0.key < $1.key }) { entry, writer in
            writer.beginObject()
            writer.key("number")
            writer.int(entry.key)
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

    init(_ json: JSONValue, maximumKeys: Int, maximumHistory: Int) throws(RecordError) {
        let object = try RecordObject(json)
        record = try SessionRecord(
            try object.value("record"), maximumKeys: maximumKeys, maximumHistory: maximumHistory)
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

extension DurableCopy.File {
    fileprivate func writeMembers(to writer: inout JSONWriter) {
        writer.key("file")
        writer.string(name)
        writer.key("bytes")
        writer.int(byteCount)
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
