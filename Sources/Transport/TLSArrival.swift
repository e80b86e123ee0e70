import Glibc

/// The first record of a client under TLS: it is left in the socket until it is there whole.
///
/// OpenSSL takes 40 KiB for a handshake. So those who only connect, or stall inside their first
/// message, cost no more than a connection without TLS.
struct TLSArrival {
    /// What the connection is to be encrypted with.
    let context: TLSContext
    /// Bytes that must be in the socket before it is worth another look.
    private(set) var lowWater = 0

    /// A record's type, version and length (RFC 8446 section 5.1).
    private static let headBytes = 5
    private static let handshakeType: UInt8 = 22
    private static let largestContent = 16 * 1024

    init(context: TLSContext) {
        self.context = context
    }

    /// Looks into the socket, which the poller says has `lowWater` bytes.
    ///
    /// - Returns: whether the handshake is to begin. So it is, too, with what cannot become such a
    ///   record, which OpenSSL then refuses, and when fewer bytes are there than were waited for:
    ///   the peer has ended its side, or the kernel is short of memory, and neither gets better.
    mutating func hasCome(_ fd: Int32) -> Bool {
        guard let wanted = Self.wantedBytes(fd), wanted > lowWater else { return true }
        lowWater = wanted
        return false
    }

    /// How many bytes must be there, when more must be than are; nil when it need not be waited.
    private static func wantedBytes(_ fd: Int32) -> Int? {
        var head: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0)
        switch systemCall({ recv(fd, &head, headBytes, Int32(MSG_PEEK)) }) {
        case .again:
            return 1
        case .done(let count) where count > 0 && head.0 == handshakeType:
            guard count == headBytes else { return headBytes }
            let content = Int(head.3) << 8 | Int(head.4)
            guard head.1 == 3, head.2 <= 4, content <= largestContent else { return nil }
            let whole = headBytes + content
            return Socket.unreadBytes(fd) < whole ? whole : nil
        case .done, .failed:
            return nil
        }
    }
}
