import ServiceLimits
public import Storage
import StrictJSON

/// Reads every byte of a data directory that a service would read when it finds its sessions
/// again, and changes nothing: not a file, not the lock. A service may be running on it.
public struct DataDirectoryVerifier {
    /// What was found.
    public struct Report: Sendable, Encodable {
        /// As it was given.
        public var directory: String
        /// The UUID that names the directory; nil when it cannot be read.
        public var identity: String?
        /// A service of this machine is running on the directory.
        public var isInUse: Bool
        /// Sessions of which a stop left the last revision here, by the names of their directories.
        public var stoppedCleanly: [String]
        /// What is wrong with the directory itself.
        public var problems: [String]
        /// In the order of their directories' names.
        public var sessions: [SessionReport]

        /// Nothing is wrong anywhere.
        public var isWhole: Bool { problems.isEmpty && sessions.allSatisfy(\.problems.isEmpty) }
    }

    /// One session.
    public struct SessionReport: Sendable, Encodable {
        /// By the record, or else by the directory's name.
        public var session: String
        /// Beneath the data directory.
        public var directory: String
        /// What the record says; nil when it cannot be read.
        public var record: RecordReport?
        /// Files that the record refers to, itself included, and their bytes.
        public var files: Int
        /// Bytes of these files.
        public var bytes: Int
        /// Files that nothing refers to: the service uses or removes them by itself.
        public var unusedFiles: Int
        /// What is wrong, each with the file's path.
        public var problems: [String]
    }

    /// What a session's record says.
    public struct RecordReport: Sendable, Encodable {
        /// As the session's state shows it.
        public var incarnation: String
        /// The revision that would be restored.
        public var revision: Int
        /// As in the settings.
        public var durability: String
        /// In the settings' order.
        public var averages: [AverageReport]
    }

    /// One average.
    public struct AverageReport: Sendable, Encodable {
        /// Its name.
        public var average: String
        /// Models in it.
        public var averageCounter: Int
        /// The session's revision at which it last changed.
        public var changedRevision: Int
        /// Of its model's file; nil before the first model.
        public var bytes: Int?
    }

    private let data: String
    /// A running service may replace a record and what it refers to while they are read.
    private static let attempts = 10

    /// - Parameter directory: the data directory's path.
    public init(directory: String) {
        data = directory
    }

    /// - Throws: `StorageError` when the directory itself cannot be read.
    public func report() throws(StorageError) -> Report {
        var report = Report(
            directory: data, identity: nil, isInUse: try DirectoryLock.isHeld(data),
            stoppedCleanly: [], problems: [], sessions: [])
        let names = try Directories.entries(of: data)
        if names.contains("id") {
            check(&report) { report throws(StorageError) in
                report.identity = try Directories.identity(of: data)
            }
        } else {
            report.problems.append("\(data)/id: does not exist: no service has used the directory")
        }
        if names.contains(SessionDirectories.cleanMarkName) {
            check(&report) { report throws(StorageError) in
                let mark = try RecordFile.read("\(data)/\(SessionDirectories.cleanMarkName)")
                report.stoppedCleanly = SessionDirectories.names(in: mark).sorted()
            }
        }
        guard names.contains("sessions") else { return report }
        for name in try Directories.entries(of: "\(data)/sessions") where name.contains("@") {
            if let session = sessionReport(name) { report.sessions.append(session) }
        }
        return report
    }

    private func check(
        _ report: inout Report, _ work: (inout Report) throws(StorageError) -> Void
    ) {
        do throws(StorageError) {
            try work(&report)
        } catch {
            report.problems.append("\(error)")
        }
    }

    // MARK: Sessions

    /// Nil for what a creation or deletion left that never completed.
    private func sessionReport(_ name: String) -> SessionReport? {
        let directory = "\(data)/sessions/\(name)"
        let path = DurableCopy.recordPath(in: directory)
        var attempt = 1
        while Directories.exists(path) {
            var report = SessionReport(
                session: SessionDirectories.session(ofName: name), directory: "sessions/\(name)",
                record: nil, files: 0, bytes: 0, unusedFiles: 0, problems: [])
            let before = try? RecordFile.read(path)
            verify(directory, path, &report)
            let isSettled = report.problems.isEmpty || (try? RecordFile.read(path)) == before
            if isSettled || attempt == Self.attempts { return report }
            attempt += 1
        }
        return nil
    }

    private func verify(_ directory: String, _ path: String, _ report: inout SessionReport) {
        let record: DurableRecord
        do throws(RecoveryError) {
            record = try RecoveryError.wrap(path) {
                _ = try Directories.isDirectory(directory)
                let bytes = try RecordFile.read(path)
                report.files = 1
                report.bytes = bytes.count
                return try DurableRecord(bytes: bytes, limits: Self.limits)
            }
        } catch {
            report.problems.append(error.reason)
            return
        }
        report.session = record.record.name
        report.record = RecordReport(record)
        do throws(RecordError) { try record.check() } catch {
            report.problems.append("\(path): \(error.detail)")
        }
        report.files += record.contents.files.count
        report.bytes += record.contents.files.reduce(0) { $0 + $1.byteCount }
        let used = Set(record.contents.files.map(\.name) + [DurableCopy.recordName])
        report.unusedFiles =
            ((try? Directories.entries(of: directory)) ?? []).count { !used.contains($0) }
        for file in record.contents.files {
            do throws(StorageError) {
                try CheckpointFile.verify(
                    "\(directory)/\(file.name)", byteCount: file.byteCount,
                    checksums: file.checksums)
            } catch {
                report.problems.append("\(error)")
            }
        }
    }

    /// A record is read whatever a service is configured to take.
    private static let limits: Limits = {
        var limits = Limits()
        limits.idempotencyKeys = .max
        limits.history = .max
        return limits
    }()
}

extension DataDirectoryVerifier.RecordReport {
    fileprivate init(_ durable: DurableRecord) {
        incarnation = durable.record.incarnation
        revision = durable.record.revision
        durability = durable.record.settings.durability.rawValue
        averages = durable.record.averages.enumerated().map { index, average in
            DataDirectoryVerifier.AverageReport(
                average: average.settings.name, averageCounter: average.count,
                changedRevision: average.changedRevision,
                bytes: durable.contents.averages[index]?.file.byteCount)
        }
    }
}
