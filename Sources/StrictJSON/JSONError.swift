/// Why a document is not the strict JSON that was asked for.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The byte position in the document where the trouble was noticed.
    public let offset: Int
    /// What is wrong, in words; long names in it are cut.
    public let reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "\(reason) at byte \(offset)" }
}

/// Text from a peer, cut so that an error message stays short whatever was sent.
package func abbreviated(_ text: String) -> String {
    let limit = 200
    // Scalars, not characters: one character may consist of a million combining marks.
    let scalars = text.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex),
        end != scalars.endIndex
    else { return text }
    return String(scalars[..<end]) + "…"
}
