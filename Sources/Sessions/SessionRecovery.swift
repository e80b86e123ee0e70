import Logging
import ServiceLimits
import Storage
import StrictJSON

/// Finds a session again at start: in the runtime directory as the process before left it, or else
/// in the data directory as it was last written there. Never a mixture.
struct SessionRecovery {
    let directories: SessionDirectories
    let limits: Limits
    let budgets: Budgets
    let logger: Logger

    enum Outcome {
        case recovered(Session)
        /// The name as the directory has it, and what is wrong.
        case damaged(name: String, reason: String)
        /// What a creation that never completed, or a deletion, left behind; it is removed.
        case nothing
    }

    func recover(_ directory: String) -> Outcome {
        do throws(RecoveryError) {
            return try find(directory)
        } catch {
            return .damaged(
                name: SessionDirectories.session(ofName: directory), reason: error.reason)
        }
    }

    private func find(_ directory: String) throws(RecoveryError) -> Outcome {
        var failure: RecoveryError?
        var durable: DurableRecord?
        var live: Live?
        do throws(RecoveryError) { durable = try readDurable(directory) } catch {
            // The next checkpoint would overwrite what a later version wrote.
            if error.isNewer { throw error }
            failure = note(error)
        }
        do throws(RecoveryError) { live = try readLive(directory) } catch {
            if error.isNewer { throw error }
            failure = note(error)
        }
        if let live, live.record.revision >= durable?.contents.revision ?? 0 {
            do throws(RecoveryError) {
                return .recovered(try reopen(live, directory, durable?.contents))
            } catch {
                failure = note(error)
            }
        }
        if let durable {
            return .recovered(try restore(durable, directory, last: live?.record.revision))
        }
        if let failure { throw failure }
        Directories.discardTree(directories.runtimeDirectory(directory))
        Directories.discardTree(directories.dataDirectory(directory))
        return .nothing
    }

    private func note(_ error: RecoveryError) -> RecoveryError {
        logger.error("\(error.reason)")
        return error
    }

    // MARK: Reading

    private struct Live {
        var record: SessionRecord
        var journal: SessionJournal
    }

    /// The runtime directory's record; nil when there is no journal.
    private func readLive(_ directory: String) throws(RecoveryError) -> Live? {
        let folder = directories.runtimeDirectory(directory)
        let path = Session.journalPath(in: folder)
        return try RecoveryError.wrap(path) {
            guard try Directories.isDirectory(folder), Directories.exists(path) else { return nil }
            let (journal, entries) = try Journal.open(at: path)
            var record = try SessionRecord(
                try json(entries.first ?? []), maximumKeys: limits.idempotencyKeys,
                maximumHistory: limits.history)
            for entry in entries.dropFirst() {
                _ = record.apply(try SessionChange(try json(entry)))
            }
            return Live(record: record, journal: SessionJournal(journal))
        }
    }

    /// The data directory's record; nil when there is none.
    private func readDurable(_ directory: String) throws(RecoveryError) -> DurableRecord? {
        let folder = directories.dataDirectory(directory)
        let path = DurableCopy.recordPath(in: folder)
        return try RecoveryError.wrap(path) {
            guard try Directories.isDirectory(folder), Directories.exists(path) else { return nil }
            return try DurableRecord(bytes: try RecordFile.read(path), limits: limits)
        }
    }

    private func json(_ bytes: [UInt8]) throws -> JSONValue {
        try JSONReader.read(bytes, maximumDepth: limits.jsonDepth)
    }

    // MARK: From the runtime directory

    private func reopen(
        _ live: Live, _ directory: String, _ durable: DurableCopy.Contents?
    ) throws(RecoveryError) -> Session {
        let path = directories.runtimeDirectory(directory)
        var slots: [SlotSet] = []
        for average in live.record.averages {
            slots.append(try reopenSlot(of: average, live.record, path))
        }
        var files: [String: CachedFile] = [:]
        for (trainer, cached) in live.record.cached {
            let filePath = CachedFile.path(in: path, number: cached.file)
            guard let file = CachedFile(opening: filePath, cached, budget: budgets.cached) else {
                throw RecoveryError(reason: "\(filePath) is missing or has another size")
            }
            files[trainer] = file
        }
        removeUnused(in: path, slots, files)
        return session(live.record, live.journal, slots, files, directory, durable)
    }

    private func reopenSlot(
        of average: SessionRecord.Average, _ record: SessionRecord, _ path: String
    ) throws(RecoveryError) -> SlotSet {
        guard let number = average.slot else { return SlotSet() }
        guard let layout = record.layout else {
            throw RecoveryError(reason: "\(path) has a model but no layout")
        }
        let header = SlotHeader(layout, session: record.name, average.settings)
        let file = Slot.path(in: path, average: average.settings.name, number: number)
        guard
            let slot = Slot(
                opening: file, number: number,
                byteCount: header.byteCount + layout.dataByteCount)
        else { throw RecoveryError(reason: "\(file) is missing or has another size") }
        let expected = header.bytes(counter: average.count, revision: average.changedRevision)
        guard
            UnsafeRawBufferPointer(start: slot.base, count: expected.count).elementsEqual(expected)
        else { throw RecoveryError(reason: "\(file) is not of the revision that was committed") }
        return SlotSet(header: header, current: slot)
    }

    /// Removes files of slots and cached weights that nothing refers to.
    private func removeUnused(
        in path: String, _ slots: [SlotSet], _ files: [String: CachedFile]
    ) {
        var used = Set(slots.compactMap { $0.current?.path })
        used.formUnion(files.values.map { CachedFile.path(in: path, number: $0.number) })
        used.insert(Session.journalPath(in: path))
        for name in (try? Directories.entries(of: path)) ?? []
        where !used.contains("\(path)/\(name)") {
            Directories.discard("\(path)/\(name)")
        }
    }

    // MARK: From the data directory

    /// - Parameter last: the last revision known to have been committed.
    private func restore(
        _ durable: DurableRecord, _ directory: String, last: Int?
    ) throws(RecoveryError) -> Session {
        var record = durable.record
        let isLossless =
            record.settings.durability == .disk || directories.stoppedCleanly.contains(directory)
            || last.map { $0 <= record.revision } ?? false
        if !isLossless {
            record.incarnation = Session.makeIncarnation()
            record.recovered = SessionRecord.Recovery(to: record.revision, from: last)
        }
        let runtime = directories.runtimeDirectory(directory)
        let data = directories.dataDirectory(directory)
        return try RecoveryError.wrap(data) {
            try durable.check()
            // What is in the runtime directory goes only for something that is whole.
            let files = Directories.exists(runtime) ? durable.contents.files : []
            for file in files {
                try CheckpointFile.verify(
                    "\(data)/\(file.name)", byteCount: file.byteCount, checksums: file.checksums)
            }
            Directories.discardTree(runtime)
            do {
                return try copy(record, durable.contents, directory)
            } catch {
                // The other sessions may need the memory.
                Directories.discardTree(runtime)
                throw error
            }
        }
    }

    private func copy(
        _ record: SessionRecord, _ contents: DurableCopy.Contents, _ directory: String
    ) throws -> Session {
        let runtime = directories.runtimeDirectory(directory)
        let data = directories.dataDirectory(directory)
        try Directories.create(runtime)
        var slots: [SlotSet] = []
        for index in record.averages.indices {
            slots.append(try restoreSlot(index, record, contents, from: data, to: runtime))
        }
        var files: [String: CachedFile] = [:]
        for (trainer, cached) in record.cached {
            files[trainer] = try restoreCached(cached, contents, from: data, to: runtime)
        }
        // The last file: without it there is no session.
        let journal = SessionJournal(
            try Journal.create(at: Session.journalPath(in: runtime), first: record.bytes()))
        logger.notice(
            "session restored from the data directory",
            metadata: ["session": "\(record.name)", "revision": "\(record.revision)"])
        return session(record, journal, slots, files, directory, contents)
    }

    private func restoreSlot(
        _ index: Int, _ record: SessionRecord, _ contents: DurableCopy.Contents,
        from data: String, to runtime: String
    ) throws -> SlotSet {
        let average = record.averages[index]
        guard let number = average.slot else { return SlotSet() }
        guard let layout = record.layout, let file = contents.averages[index]?.file else {
            throw RecordError.missingModel(average.settings.name)
        }
        let header = SlotHeader(layout, session: record.name, average.settings)
        let slot = try Slot(
            creating: Slot.path(in: runtime, average: average.settings.name, number: number),
            number: number, byteCount: file.byteCount)
        try slot.reserve(0..<file.byteCount)
        try CheckpointFile.read(
            "\(data)/\(file.name)", byteCount: file.byteCount, checksums: file.checksums,
            into: UnsafeMutableRawBufferPointer(start: slot.base, count: file.byteCount))
        return SlotSet(header: header, current: slot)
    }

    private func restoreCached(
        _ cached: SessionRecord.Cached, _ contents: DurableCopy.Contents, from data: String,
        to runtime: String
    ) throws -> CachedFile {
        guard let file = contents.cached[cached.file] else {
            throw RecordError.missingCached(cached.file)
        }
        let writer = try CachedFileWriter(
            directory: runtime, number: cached.file, contentType: cached.contentType,
            permit: nil, budget: budgets.cached)
        var bytes = [UInt8](repeating: 0, count: file.byteCount)
        try bytes.withUnsafeMutableBytes { buffer in
            try CheckpointFile.read(
                "\(data)/\(file.name)", byteCount: file.byteCount, checksums: file.checksums,
                into: buffer)
            try writer.write(UnsafeRawBufferPointer(buffer))
        }
        return writer.finish()
    }

    private func session(
        _ record: SessionRecord, _ journal: SessionJournal, _ slots: [SlotSet],
        _ files: [String: CachedFile], _ directory: String, _ durable: DurableCopy.Contents?
    ) -> Session {
        Session(
            record: record, journal: journal, slots: slots, cachedFiles: files,
            directory: directories.runtimeDirectory(directory),
            durableCopy: DurableCopy(
                directory: directories.dataDirectory(directory), contents: durable),
            durable: durable, limits: limits, budgets: budgets)
    }
}
