import ServiceLimits

/// A request's head with what only the wire needs of it.
struct ParsedHead {
    var request: RequestHead
    /// HTTP/1.0: no chunked coding, no interim answers.
    var isOldVersion: Bool
    /// The client wants further requests on this connection.
    var keepsAlive: Bool
    /// There is an `Upgrade` field.
    var asksUpgrade: Bool
}

/// Parses one request head (RFC 9112 sections 2 to 6), strictly, however it is cut.
///
/// A value without input and output: `parse` is given the head's bytes from its first byte on and,
/// as long as it says that more are needed, the same bytes and more. Every byte is looked at
/// once. The same head gives the same result wherever it is cut.
struct HeadParser {
    /// Bytes from the first one to the end of the head, when it is complete.
    private(set) var length = 0

    private let peer: Peer
    /// The current line begins here, and no control character lies before `scanned`.
    private var lineStart = 0
    private var scanned = 0
    private var requestLine: RequestLine?
    private var sawEmptyLine = false
    private var fieldsStart = 0
    private var fieldBytes = 0
    private var entries: [HeaderFields.Entry] = []
    private var meaning = FieldMeaning()

    init(peer: Peer) {
        self.peer = peer
    }

    /// - Returns: nil when the head is not complete.
    mutating func parse(
        _ bytes: UnsafeRawBufferPointer, limits: Limits
    ) throws(WireError) -> ParsedHead? {
        while let end = try endOfLine(bytes, limits) {
            let line = lineStart..<end
            lineStart = end + 2
            scanned = lineStart
            if requestLine == nil {
                if line.isEmpty {
                    // One, after the body of an old client (RFC 9112 section 2.2).
                    guard !sawEmptyLine else { throw .malformedRequestLine }
                    sawEmptyLine = true
                } else {
                    requestLine = try RequestLine(bytes, line)
                    fieldsStart = lineStart
                }
            } else if line.isEmpty {
                length = lineStart
                return try finish(bytes, end: end)
            } else {
                try parseField(bytes, line, limits)
            }
        }
        return nil
    }

    /// Where the current line's CR LF begins; nil when it is not there yet.
    private mutating func endOfLine(
        _ bytes: UnsafeRawBufferPointer, _ limits: Limits
    ) throws(WireError) -> Int? {
        let limit = requestLine == nil ? limits.requestLineBytes : limits.fieldBytes
        let end = ByteScan.firstControl(bytes, from: scanned)
        scanned = end
        guard end - lineStart <= limit else {
            throw requestLine == nil ? .requestLineTooLong : .fieldTooLong
        }
        guard end < bytes.count else { return nil }
        switch bytes[end] {
        case Byte.carriageReturn:
            guard end + 1 < bytes.count else { return nil }
            guard bytes[end + 1] == Byte.lineFeed else { throw .bareCarriageReturn }
            return end
        case Byte.lineFeed:
            throw .bareLineFeed
        default:
            throw .controlCharacter
        }
    }

    private mutating func parseField(
        _ bytes: UnsafeRawBufferPointer, _ line: Range<Int>, _ limits: Limits
    ) throws(WireError) {
        fieldBytes += line.count
        guard fieldBytes <= limits.headerBytes else { throw .headTooLarge }
        guard entries.count < limits.fields else { throw .tooManyFields }

        var colon = line.lowerBound
        while colon < line.upperBound, Byte.isToken(bytes[colon]) { colon += 1 }
        guard colon > line.lowerBound, colon < line.upperBound, bytes[colon] == Byte.colon else {
            let first = bytes[line.lowerBound]
            throw first == Byte.space || first == Byte.tab ? .foldedField : .malformedField
        }
        let name = line.lowerBound..<colon
        let value = bytes.trimmed(colon + 1..<line.upperBound)

        if entries.isEmpty { entries.reserveCapacity(16) }
        entries.append(
            HeaderFields.Entry(
                name: name.lowerBound - fieldsStart..<name.upperBound - fieldsStart,
                value: value.lowerBound - fieldsStart..<value.upperBound - fieldsStart))
        try meaning.note(bytes, name: name, value: value)
    }

    private func finish(
        _ bytes: UnsafeRawBufferPointer, end: Int
    ) throws(WireError) -> ParsedHead {
        guard let requestLine else { preconditionFailure("a head without a request line") }
        let body = try meaning.bodyLength(isOldVersion: requestLine.isOldVersion)
        if !requestLine.isOldVersion {
            guard meaning.sawHost else { throw .missingHost }
            guard !meaning.hasUnknownExpectation else { throw .unknownExpectation }
        }
        let fields = HeaderFields(bytes: Array(bytes[fieldsStart..<end]), entries: entries)
        let hasBody = body != .none && body != .known(0)
        let request = RequestHead(
            method: bytes.string(requestLine.method),
            path: requestLine.path.map { bytes.string($0) }
                ?? requestLine.impliedPath.description,
            query: requestLine.query.map { bytes.string($0) },
            fields: fields, body: body,
            expectsContinue: !requestLine.isOldVersion && meaning.expectsContinue && hasBody,
            peer: peer)
        return ParsedHead(
            request: request, isOldVersion: requestLine.isOldVersion,
            // RFC 9112 section 9.3.
            keepsAlive: !meaning.asksClose && (!requestLine.isOldVersion || meaning.asksKeepAlive),
            asksUpgrade: meaning.asksUpgrade)
    }
}
