import Logging
import Storage

/// The two directories that sessions live in, each locked by one process.
///
/// `data` holds what survives a power cut: its identity, and per session a `DurableCopy`.
/// `runtime`, on a tmpfs, holds what survives the process: in a directory named by the data
/// directory's identity, per session the slots and the journal. Constant; any thread.
final class SessionDirectories: Sendable {
    /// The stop before this start left every session's last revision in `data`.
    let wasStoppedCleanly: Bool
    private let data: String
    private let runtime: String
    private let locks: [DirectoryLock]

    /// Makes what is missing.
    ///
    /// - Throws: `StorageError`, also when another process has one of the directories.
    init(data: String, runtime: String, logger: Logger) throws(StorageError) {
        try Directories.create(data)
        try Directories.create(runtime)
        locks = [try DirectoryLock(directory: data), try DirectoryLock(directory: runtime)]
        let identity = try Directories.identity(of: data)
        self.data = data + "/sessions"
        try Directories.createDurably(self.data)
        self.runtime = "\(runtime)/\(identity)"
        try Directories.create(self.runtime)
        cleanMark = data + "/stopped-cleanly"
        wasStoppedCleanly = try SessionDirectories.mark(cleanMark) == []
        try discardAfterReboot(logger)
    }

    /// What the file `path` says; nil without one, or when it is damaged.
    private static func mark(_ path: String) throws(StorageError) -> [UInt8]? {
        do throws(StorageError) {
            return try RecordFile.read(path)
        } catch {
            switch error {
            case .missing, .damaged: return nil
            default: throw error
            }
        }
    }

    /// Forgets what the runtime directory holds from before the system was booted: on a disk, some
    /// pages of a file may be older than others.
    private func discardAfterReboot(_ logger: Logger) throws(StorageError) {
        let path = runtime + "/boot"
        let boot = try Directories.bootIdentity()
        if try SessionDirectories.mark(path) == boot { return }
        for name in try Directories.entries(of: runtime) where name.contains("@") {
            logger.notice(
                "\(runtime)/\(name) is from before the system was booted: removed")
            try Directories.removeTree("\(runtime)/\(name)")
        }
        try RecordFile.write(boot, to: path, durable: false)
    }

    /// To be called before the first change, from which on the mark would be a lie.
    func unmarkStoppedCleanly() throws(StorageError) {
        if Directories.exists(cleanMark) { try Directories.removeDurably(cleanMark) }
    }

    private let cleanMark: String

    /// Says for the next start that every session's last revision is in the data directory.
    func markStoppedCleanly() throws(StorageError) {
        try RecordFile.write([], to: cleanMark, durable: true)
    }

    /// The names of the directories of all sessions that either place knows.
    func sessionDirectories() throws(StorageError) -> [String] {
        let names = try Directories.entries(of: data) + Directories.entries(of: runtime)
        return Set(names.filter { $0.contains("@") }).sorted()
    }

    func runtimeDirectory(_ name: String) -> String { "\(runtime)/\(name)" }

    func name(ofRuntime path: String) -> String { String(path.dropFirst(runtime.count + 1)) }

    func dataDirectory(_ name: String) -> String { "\(data)/\(name)" }

    /// A directory name for a new session: no other session, alive or deleted, has had it.
    static func makeName(session: String, incarnation: String) -> String {
        "\(session)@\(incarnation)"
    }
}
