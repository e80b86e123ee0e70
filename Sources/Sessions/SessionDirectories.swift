import Logging
import Storage

/// The two directories that sessions live in, each locked by one process.
///
/// `data` holds what survives a power cut: its identity, and per session a `DurableCopy`.
/// `runtime`, on a tmpfs, holds what survives the process: in a directory named by the data
/// directory's identity, per session the slots and the journal. Constant; any thread.
final class SessionDirectories: Sendable {
    /// The sessions, by the names of their directories, whose last revision the stop before this
    /// start left in `data`.
    let stoppedCleanly: Set<String>
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
        cleanMark = "\(data)/\(SessionDirectories.cleanMarkName)"
        stoppedCleanly = SessionDirectories.names(in: try SessionDirectories.mark(cleanMark) ?? [])
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

    static let cleanMarkName = "stopped-cleanly"
    private let cleanMark: String

    /// Says for the next start which sessions' last revisions are in the data directory: of those
    /// that may change, none.
    func markStoppedCleanly(_ names: Set<String>) throws(StorageError) {
        if names.isEmpty {
            if Directories.exists(cleanMark) { try Directories.removeDurably(cleanMark) }
        } else {
            let text = names.sorted().joined(separator: "\n")
            try RecordFile.write(Array(text.utf8), to: cleanMark, durable: true)
        }
    }

    static func names(in mark: [UInt8]) -> Set<String> {
        Set(String(decoding: mark, as: UTF8.self).split(separator: "\n").map(String.init))
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

    /// The session's name in that of its directory.
    static func session(ofName name: String) -> String { String(name.prefix { $0 != "@" }) }
}
