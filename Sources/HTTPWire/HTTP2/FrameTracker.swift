/// Follows the frames in a client's bytes, however they are cut (RFC 9113 section 4.1).
///
/// It knows what nghttp2 does not tell: where in a frame the bytes end, also in frames that nghttp2
/// ignores, and what is coming before any of it has been worked on.
struct FrameTracker {
    struct Frame: Equatable {
        var length: Int
        var type: UInt8
        var flags: UInt8
        var streamID: Int32

        var endsHead: Bool { flags & 0x4 != 0 }
        var endsStream: Bool { flags & 0x1 != 0 }
    }

    /// The types of RFC 9113 section 6 that are told apart.
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let resetStream: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    private static let headerBytes = 9

    /// What of the client's preface has not come.
    private var prefaceLeft = Preface.count
    /// The bytes of a frame's header so far, in network order, and their number.
    private var header: UInt128 = 0
    private var headerCount = 0
    /// The frame whose payload is coming, or was the last that came.
    private(set) var frame: Frame?
    /// Bytes of its payload that have not come.
    private(set) var payloadLeft = 0
    /// A header block is not complete: only CONTINUATION may follow.
    private var awaitsContinuation = false
    /// Bytes of the header block so far, still compressed.
    private(set) var blockBytes = 0

    /// Whether a request's head, or a trailer section, has begun and not ended.
    var isInsideHead: Bool {
        awaitsContinuation || isBlock && payloadLeft > 0
    }

    /// Whether the frame's payload is a header block, or a part of one.
    private var isBlock: Bool {
        frame.map { $0.type == Kind.headers || $0.type == Kind.continuation } ?? false
    }

    /// Calls `body` for each frame whose header is completed by `bytes`.
    ///
    /// - Parameter blockLimit: bytes of header blocks after which to stop.
    /// - Returns: how far it came.
    mutating func advance(
        over bytes: UnsafeRawBufferPointer, blockLimit: Int,
        _ body: (Frame, _ block: Int) -> Void
    ) -> Int {
        var index = min(prefaceLeft, bytes.count)
        prefaceLeft -= index
        var allowance = blockLimit
        while index < bytes.count {
            var payload = min(payloadLeft, bytes.count - index)
            if isBlock {
                guard allowance > 0 || payload == 0 else { return index }
                payload = min(payload, allowance)
                allowance -= payload
            }
            payloadLeft -= payload
            index += payload
            if payloadLeft > 0 { continue }
            while index < bytes.count, headerCount < Self.headerBytes {
                header = header << 8 | UInt128(bytes[index])
                headerCount += 1
                index += 1
            }
            guard headerCount == Self.headerBytes else { break }
            body(begin(), blockBytes)
        }
        return index
    }

    private mutating func begin() -> Frame {
        let frame = Frame(
            length: Int(header >> 48), type: UInt8(truncatingIfNeeded: header >> 40),
            flags: UInt8(truncatingIfNeeded: header >> 32),
            streamID: Int32(truncatingIfNeeded: header & 0x7FFF_FFFF))
        header = 0
        headerCount = 0
        payloadLeft = frame.length
        switch frame.type {
        case Kind.headers:
            blockBytes = frame.length
            awaitsContinuation = !frame.endsHead
        case Kind.continuation:
            blockBytes += frame.length
            awaitsContinuation = !frame.endsHead
        default:
            break
        }
        self.frame = frame
        return frame
    }
}
