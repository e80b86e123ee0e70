/// A content coding that the service reads and writes (RFC 9110 section 8.4.1).
public enum ContentCoding: String, Sendable, CaseIterable {
    /// RFC 1952.
    case gzip
    /// The zlib format of RFC 1950. The bare stream of RFC 1951 that some clients send under this
    /// name is refused: it has no checksum, so a damaged model would be averaged in unseen.
    case deflate

    /// All of them, as a field lists them.
    public static let list = allCases.map(\.rawValue).joined(separator: ", ")

    /// `x-gzip` is another name of `gzip` (section 8.4.1.3). `name` is given in lower case.
    init?(name: String) {
        self.init(rawValue: name == "x-gzip" ? "gzip" : name)
    }

    /// What is added to zlib's window size to say the format.
    var formatBits: Int32 {
        switch self {
        case .gzip: 16
        case .deflate: 0
        }
    }

    /// What a `Content-Encoding` field says of a body.
    ///
    /// - Parameter field: several fields joined by commas; nil without one.
    /// - Returns: nil for a plain body, which `identity` is too, although section 8.4.1 reserves
    ///   that name for `Accept-Encoding`.
    /// - Throws: for a coding that is not known, and for several.
    public static func ofBody(_ field: String?) throws(UnsupportedCoding) -> ContentCoding? {
        guard let field else { return nil }
        var scanner = FieldScanner(field)
        var coding: ContentCoding?
        while true {
            scanner.skipWhitespace()
            if scanner.take(Byte.comma) { continue }
            if scanner.isAtEnd { return coding }
            guard let name = scanner.token() else { throw .unknown }
            scanner.skipWhitespace()
            guard scanner.isAtEnd || scanner.take(Byte.comma) else { throw .unknown }
            if name == "identity" { continue }
            guard let next = ContentCoding(name: name) else { throw .unknown }
            guard coding == nil else { throw .several }
            coding = next
        }
    }
}

/// Why a body's content coding is not read.
public enum UnsupportedCoding: Error {
    /// Neither gzip nor deflate, or no coding's name.
    case unknown
    /// One coding inside another: nobody sends that but to make a small body large.
    case several
}
