/// What the fields of a head mean to the wire itself.
struct FieldMeaning {
    private(set) var sawHost = false
    private(set) var asksClose = false
    private(set) var asksKeepAlive = false
    private(set) var expectsContinue = false
    private(set) var asksUpgrade = false
    private(set) var hasUnknownExpectation = false
    private var contentLength: Int?
    private var sawChunked = false
    private var sawOtherCoding = false

    /// Looks at one field; most are told apart by the length of their name.
    mutating func note(
        _ bytes: UnsafeRawBufferPointer, name: Range<Int>, value: Range<Int>
    ) throws(WireError) {
        switch name.count {
        case 4 where bytes.equals(name, "host"):
            guard !sawHost else { throw .repeatedHost }
            guard Host.isValid(bytes, value) else { throw .invalidHost }
            sawHost = true
        case 6 where bytes.equals(name, "expect"):
            if bytes.equals(value, "100-continue") {
                expectsContinue = true
            } else {
                hasUnknownExpectation = true
            }
        case 7 where bytes.equals(name, "upgrade"):
            asksUpgrade = true
        case 10 where bytes.equals(name, "connection"):
            bytes.forEachElement(value) { option in
                if bytes.equals(option, "close") { asksClose = true }
                if bytes.equals(option, "keep-alive") { asksKeepAlive = true }
            }
        case 14 where bytes.equals(name, "content-length"):
            guard contentLength == nil else { throw .repeatedContentLength }
            contentLength = try Self.number(bytes, value)
        case 17 where bytes.equals(name, "transfer-encoding"):
            try noteCodings(bytes, value)
        default:
            break
        }
    }

    /// RFC 9112 section 6.3, without its leniencies: two ways to say a length are one too many.
    func bodyLength(isOldVersion: Bool) throws(WireError) -> BodyLength {
        guard sawChunked || sawOtherCoding else { return contentLength.map { .known($0) } ?? .none }
        guard contentLength == nil else { throw .lengthAndCoding }
        guard !isOldVersion else { throw .codingInOldVersion }
        guard !sawOtherCoding else { throw .unsupportedTransferCoding }
        return .unknown
    }

    /// Digits only: a sign, a list, even of equal numbers, and what overflows are refused, as are
    /// more digits, zeros included, than any number has that can be counted to.
    private static func number(
        _ bytes: UnsafeRawBufferPointer, _ value: Range<Int>
    ) throws(WireError) -> Int {
        guard 1...19 ~= value.count else { throw .invalidContentLength }
        var number = 0
        for index in value {
            guard Byte.isDigit(bytes[index]) else { throw .invalidContentLength }
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(bytes[index] - Byte.zero))
            guard !overflow, !carry else { throw .invalidContentLength }
            number = sum
        }
        return number
    }

    /// Chunked must be there once and last, over all fields (RFC 9112 section 6.1).
    private mutating func noteCodings(
        _ bytes: UnsafeRawBufferPointer, _ value: Range<Int>
    ) throws(WireError) {
        try bytes.forEachElement(value) { coding throws(WireError) in
            let isToken = !coding.isEmpty && coding.allSatisfy { Byte.isToken(bytes[$0]) }
            guard isToken, !sawChunked else { throw .malformedTransferCoding }
            if bytes.equals(coding, "chunked") {
                sawChunked = true
            } else {
                sawOtherCoding = true
            }
        }
    }
}
