import Storage
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
        var isSwept = false
    }

    let directory: String
    private let state: Mutex<State>

    /// - Parameter contents: what the present record refers to; nil without one.
    init(directory: String, contents: Contents?) {
        self.directory = directory
        state = Mutex(State(contents: contents))
    }

    static let recordName = "record"

    static func recordPath(in directory: String) -> String { "\(directory)/\(recordName)" }

    /// Writes a moment of the session; returns when a power cut cannot lose it.
    ///
    /// Only what changed since the last write is written. May take long.
    func write(_ snapshot: DurableSnapshot) throws(StorageError) {
        let result = state.withLock { state in
            Result { () throws(StorageError) in
                guard !state.isDeleted else { return }
                if state.contents == nil { try Directories.createDurably(directory) }
                let contents = try writeFiles(of: snapshot, after: state.contents)
                try RecordFile.write(
                    DurableRecord(record: snapshot.record, contents: contents).bytes(),
                    to: DurableCopy.recordPath(in: directory), durable: true)
                removeCached(of: state.contents, notIn: contents)
                if !state.isSwept { removeUnused(contents) }
                state.contents = contents
                state.isSwept = true
            }
        }
        try result.get()
    }

    private func writeFiles(
        of snapshot: DurableSnapshot, after old: Contents?
    ) throws(StorageError) -> Contents {
        var contents = Contents(revision: snapshot.record.revision)
        for (index, pin) in snapshot.models {
            let average = snapshot.record.averages[index]
            let known = old?.averages[index]
            if let known, known.changedRevision == average.changedRevision {
                contents.averages[index] = known
                continue
            }
            let bytes = UnsafeRawBufferPointer(start: pin.slot.base, count: pin.slot.byteCount)
            let file = try file(
                freeName(average.settings.name, after: known?.file.name), byteCount: bytes.count
            ) { path throws(StorageError) in
                try CheckpointFile.write(bytes, to: path)
            }
            contents.averages[index] = (average.changedRevision, file)
        }
        for cachedFile in snapshot.cached.values {
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

    /// A name that the present record does not refer to: when what it refers to is not known, one
    /// that no file has.
    private func freeName(_ average: String, after known: String?) -> String {
        let names = (0...2).map { "\(average).\($0).safetensors" }
        let free = names.first { name in
            known.map { $0 != name } ?? !Directories.exists("\(directory)/\(name)")
        }
        return free ?? names[0]
    }

    /// Removes what nothing refers to: an interrupted write may have left it.
    private func removeUnused(_ contents: Contents) {
        let used = Set(contents.files.map(\.name) + [DurableCopy.recordName])
        for name in (try? Directories.entries(of: directory)) ?? [] where !used.contains(name) {
            Directories.discard("\(directory)/\(name)")
        }
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
                // Files may be there although no write ended well.
                guard try Directories.isDirectory(directory) else { return }
                try Directories.removeDurably(DurableCopy.recordPath(in: directory))
                state.contents = nil
                Directories.discardTree(directory)
            }
        }
        try result.get()
    }
}
