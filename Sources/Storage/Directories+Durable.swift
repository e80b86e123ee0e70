import Glibc

extension Directories {
    /// Whether there is a file or directory of this name.
    public static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// Whether there is a directory of this name. Throws for a file or a link, which may lead
    /// anywhere.
    public static func isDirectory(_ path: String) throws(StorageError) -> Bool {
        do throws(StorageError) {
            _ = try StorageFile.open(path, O_RDONLY | O_DIRECTORY)
            return true
        } catch {
            if case .missing = error { return false }
            throw error
        }
    }

    /// Makes a directory whose name a power cut does not lose. One that exists is left as it is.
    public static func createDurably(_ path: String) throws(StorageError) {
        try create(path)
        try sync(parent(of: path))
    }

    /// Removes a file's name so that a power cut does not bring it back.
    public static func removeDurably(_ path: String) throws(StorageError) {
        try removeFile(path)
        try sync(parent(of: path))
    }

    /// Removes a file if that is possible: one that is left over is removed at the next start.
    public static func discard(_ path: String) {
        try? removeFile(path)
    }

    /// Removes a tree if that is possible, as `discard`.
    public static func discardTree(_ path: String) {
        try? removeTree(path)
    }
}
