import Storage
import Testing

/// Expects `.damaged` that names `path`, with `detail` in its text.
func expectDamage(
    _ path: String, _ detail: String = "", at sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("the damage was not noticed", sourceLocation: sourceLocation)
    } catch StorageError.damaged(let found, let text) {
        #expect(found == path, sourceLocation: sourceLocation)
        #expect(detail.isEmpty || text.contains(detail), sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

/// A file's bytes as a release would write them that counts `version` in the common header.
func withVersion(_ version: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    var changed = bytes
    changed[8] = version
    let checksum = changed[..<12].withUnsafeBytes { Checksum.crc32c($0) }
    for index in 0..<4 { changed[12 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index)) }
    return changed
}
