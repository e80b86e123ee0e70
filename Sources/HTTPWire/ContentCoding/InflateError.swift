/// Why a coded body is not decoded any further.
public enum InflateError: Error, Equatable {
    /// The body does not begin as its coding does.
    case notCoded(ContentCoding)
    /// The coded bytes are damaged; `reason` in zlib's words. A checksum or a length that does not
    /// fit is one of them.
    case damaged(reason: String, offset: Int)
    /// The coded bytes refer to a dictionary that the service does not have.
    case needsDictionary
    /// More follows after the last member of a gzip body, or after a deflate body.
    case trailingBytes(offset: Int)
    /// The body ended inside the coded bytes.
    case truncated(received: Int)
    /// More than this many bytes came out, or went in.
    case tooLarge(limit: Int)
    /// More than this many bytes came out for each that went in.
    case ratioTooHigh(limit: Int)
}

extension InflateError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notCoded(.gzip):
            "the body does not begin as gzip does, with the bytes 1f 8b"
        case .notCoded(.deflate):
            "the body is not in the zlib format, which is what deflate means (RFC 9110 section "
                + "8.4.1.2): in Python, send what zlib.compress returns"
        case .damaged(let reason, let offset):
            "the coded body is damaged before its byte \(offset): \(reason)"
        case .needsDictionary:
            "the coded body needs a preset dictionary, which HTTP has no way to name"
        case .trailingBytes(let offset):
            "the coded body ends at byte \(offset), but more follows: send nothing after it"
        case .truncated(let received):
            "the body ended after \(received) coded bytes, before the end of the coding"
        case .tooLarge(let limit):
            "the decoded body is larger than \(limit) bytes"
        case .ratioTooHigh(let limit):
            "the body decodes to more than \(limit) times its size: send it without a coding"
        }
    }
}
