import ServiceLimits

/// Collects a head that comes in pieces; one that lies whole in what came is parsed where it lies.
struct HeadReader {
    private let peer: Peer
    private var parser: HeadParser
    private var pending: [UInt8] = []

    init(peer: Peer) {
        self.peer = peer
        parser = HeadParser(peer: peer)
    }

    /// Whether nothing of the next head has come.
    var isEmpty: Bool { pending.isEmpty }

    /// Takes bytes up to the end of the head.
    ///
    /// - Returns: how many were taken, and the head when it is complete; then the reader is ready
    ///   for the next one.
    mutating func receive(
        _ bytes: UnsafeRawBufferPointer, limits: Limits
    ) throws(WireError) -> (taken: Int, head: ParsedHead?) {
        if pending.isEmpty {
            guard let head = try parser.parse(bytes, limits: limits) else {
                pending.append(contentsOf: bytes)
                return (bytes.count, nil)
            }
            let length = parser.length
            parser = HeadParser(peer: peer)
            return (length, head)
        }
        // What follows the head may be much larger than it: copied in steps, and no further.
        var taken = 0
        while taken < bytes.count {
            let kept = pending.count
            let step = min(4096, bytes.count - taken)
            pending.append(contentsOf: bytes[taken..<taken + step])
            if let head = try parsePending(limits) {
                let length = parser.length
                self = HeadReader(peer: peer)
                return (taken + length - kept, head)
            }
            taken += step
        }
        return (taken, nil)
    }

    private mutating func parsePending(_ limits: Limits) throws(WireError) -> ParsedHead? {
        let result = pending.withUnsafeBytes { bytes in
            Result { () throws(WireError) in try parser.parse(bytes, limits: limits) }
        }
        return try result.get()
    }
}
