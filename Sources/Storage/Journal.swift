import Glibc

/// An append-only log of opaque entries that begins with a snapshot. It outlasts the process, not
/// a power cut: nothing is synced. Has one owner at a time and is not safe for several threads.
///
/// A process that is killed leaves a file that ends within an entry, and that entry was never
/// acknowledged: it is cut off. An entry that is there as a whole but has another checksum was
/// written well and changed later: that is damage, the last entry included.
public final class Journal {
    private let path: String
    private var file: StorageFile
    private var form: JournalForm
    /// Bytes of the file up to the end of the last entry that was appended as a whole.
    public private(set) var byteCount: Int
    /// Bytes of the file up to the end of the snapshot: what would be left after `compact`.
    public private(set) var snapshotByteCount: Int
    /// Why the bytes behind `byteCount` are unknown, if they are.
    private var failure: StorageError?

    /// Whether every `append` throws until `compact` succeeds.
    public var isBroken: Bool { failure != nil }

    /// Makes a journal of one entry, whole or not at all. Throws `.failed` with `EEXIST` if there
    /// is one.
    public static func create(
        at path: String, first snapshot: [UInt8]
    ) throws(StorageError) -> Journal {
        guard access(path, F_OK) != 0 else {
            throw .failed(path: path, operation: "create", code: EEXIST)
        }
        var form = JournalForm()
        let bytes = form.header + form.entry(snapshot)
        let file = try RecordFile.replace(path, with: bytes, durable: false)
        return Journal(path: path, file: file, form: form, snapshotByteCount: bytes.count)
    }

    /// Opens a journal and reads its entries, of which the first is the snapshot.
    ///
    /// Bytes of an entry behind which the file ends too early are cut off. Throws `.missing`,
    /// `.newerVersion` and `.damaged`, in which cases the file stays as it is.
    public static func open(
        at path: String
    ) throws(StorageError) -> (journal: Journal, entries: [[UInt8]]) {
        let file = try StorageFile.open(path, O_RDWR)
        let bytes = try file.readAll()
        var form = try JournalForm(header: bytes, path: path)
        var entries: [[UInt8]] = []
        var end = JournalForm.headerByteCount
        var snapshotEnd = end
        while let entry = try form.nextEntry(of: bytes, at: end, path: path) {
            entries.append(Array(bytes[entry]))
            end = entry.upperBound
            if entries.count == 1 { snapshotEnd = end }
        }
        guard !entries.isEmpty else {
            // It was complete before it got its name.
            throw .damaged(path: path, detail: "it ends within its first entry")
        }
        if end < bytes.count { try file.truncate(to: end) }
        let journal = Journal(path: path, file: file, form: form, snapshotByteCount: snapshotEnd)
        journal.byteCount = end
        return (journal, entries)
    }

    private init(path: String, file: StorageFile, form: JournalForm, snapshotByteCount: Int) {
        self.path = path
        self.file = file
        self.form = form
        self.snapshotByteCount = snapshotByteCount
        byteCount = snapshotByteCount
    }

    /// Adds an entry of at most 4 GiB - 1. When this returns it outlasts the process; when this
    /// throws, the journal is as it was. If that cannot be brought about, every later `append`
    /// throws the same error until `compact` succeeds, and whether this entry is found by a later
    /// `open` is open.
    public func append(_ payload: [UInt8]) throws(StorageError) {
        if let failure { throw failure }
        var next = form
        let entry = next.entry(payload)
        do throws(StorageError) {
            try file.write(entry, at: byteCount)
        } catch {
            do throws(StorageError) {
                try file.truncate(to: byteCount)
            } catch _ {
                failure = error
            }
            throw error
        }
        form = next
        byteCount += entry.count
    }

    /// Takes room for one entry of `byteCount` bytes, so that appending it next cannot fail for
    /// want of room. Where the file system cannot reserve (not tmpfs, ext4 or XFS), does nothing.
    public func reserve(_ byteCount: Int) throws(StorageError) {
        let end = self.byteCount + JournalForm.entryHeaderByteCount + byteCount
        // The size stays: it tells how far the entries reach.
        try file.allocate(self.byteCount..<end, keepingSize: true)
    }

    /// Replaces all entries by one. A process killed at any instant leaves the old journal or the
    /// new one; so does an error, after which the old one goes on.
    public func compact(_ snapshot: [UInt8]) throws(StorageError) {
        var next = JournalForm()
        let bytes = next.header + next.entry(snapshot)
        file = try RecordFile.replace(path, with: bytes, durable: false)
        form = next
        byteCount = bytes.count
        snapshotByteCount = bytes.count
        failure = nil
    }
}
