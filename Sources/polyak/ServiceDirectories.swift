import Foundation
import Storage

/// The two directories the service writes in: chosen, created, and looked at before it starts.
struct ServiceDirectories: Equatable {
    /// Where averages lie while the service runs.
    var runtime: String
    /// Where lies what has to last.
    var data: String

    /// Resolves what `settings` leave open, from what systemd and the XDG base directory
    /// specification put into the environment. Creates nothing.
    init(
        _ settings: Settings, environment: [String: String],
        isUsable: (String) -> Bool = { access($0, W_OK | X_OK) == 0 }
    ) throws(DirectoryError) {
        runtime =
            settings.runtimeDirectory == Settings.automatic
            ? Self.runtime(environment, isUsable: isUsable)
            : Self.absolute(settings.runtimeDirectory)
        data =
            settings.dataDirectory == Settings.automatic
            ? try Self.data(environment) : Self.absolute(settings.dataDirectory)
    }

    /// Creates both with mode 0700, and makes sure that this user alone decides what is in them.
    func create() throws(DirectoryError) {
        try Self.create(runtime)
        try Self.create(data)
    }

    /// Whether the runtime directory is in memory, and how many bytes its file system has free.
    func runtimeSpace() -> (isMemory: Bool, freeBytes: Int) {
        let isMemory = (try? Directories.isMemoryBacked(runtime)) ?? false
        return (isMemory, (try? Directories.freeBytes(runtime)) ?? 0)
    }

    private static func runtime(
        _ environment: [String: String], isUsable: (String) -> Bool
    ) -> String {
        if let given = systemd("RUNTIME_DIRECTORY", environment) { return given }
        // /dev/shm before $XDG_RUNTIME_DIR: both are memory, but the latter has a tenth of it.
        if isUsable("/dev/shm") { return "/dev/shm/polyak-\(geteuid())" }
        if let base = path("XDG_RUNTIME_DIR", environment), isUsable(base) {
            return base + "/polyak"
        }
        return "/tmp/polyak-\(geteuid())"
    }

    private static func data(_ environment: [String: String]) throws(DirectoryError) -> String {
        if let given = systemd("STATE_DIRECTORY", environment) { return given }
        if let base = path("XDG_STATE_HOME", environment) { return base + "/polyak" }
        guard let home = path("HOME", environment) else { throw .noHome }
        return home + "/.local/state/polyak"
    }

    /// systemd separates several directories by colons; the unit asks for one.
    private static func systemd(_ name: String, _ environment: [String: String]) -> String? {
        guard let first = environment[name]?.split(separator: ":").first else { return nil }
        return String(first)
    }

    /// The specification says that relative paths are to be ignored.
    private static func path(_ name: String, _ environment: [String: String]) -> String? {
        environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil }
    }

    static func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.path
    }

    private static func create(_ path: String) throws(DirectoryError) {
        let above = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if access(above, F_OK) != 0, above != "/" { try create(above) }
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .cannotCreate(path: path, reason: String(cString: strerror(errno)))
        }
        var found = stat()
        guard lstat(path, &found) == 0 else {
            throw .cannotCreate(path: path, reason: String(cString: strerror(errno)))
        }
        // In /dev/shm and /tmp anybody may have made the name first, a link included.
        if found.st_mode & S_IFMT == S_IFLNK { throw .link(path: path) }
        guard found.st_mode & S_IFMT == S_IFDIR else { throw .notDirectory(path: path) }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw .notWritable(path: path) }
        if found.st_mode & S_IWOTH != 0 { throw .writableByAll(path: path) }
    }
}

/// Why the service cannot use a directory; each message names the fix.
enum DirectoryError: Error, Equatable {
    case noHome
    case cannotCreate(path: String, reason: String)
    case link(path: String)
    case notDirectory(path: String)
    case notWritable(path: String)
    case writableByAll(path: String)
}

extension DirectoryError: CustomStringConvertible {
    var description: String {
        switch self {
        case .noHome: "HOME is not set: say where to keep data with --data-directory"
        case .cannotCreate(let path, let reason): "\(path): cannot be created: \(reason)"
        case .link(let path):
            "\(path): is a symbolic link, which somebody else may have put there: remove it or "
                + "name the directory it leads to"
        case .notDirectory(let path): "\(path): is not a directory"
        case .notWritable(let path): "\(path): this user may not write there: chown it"
        case .writableByAll(let path): "\(path): everybody may write there: chmod 700 it"
        }
    }
}
