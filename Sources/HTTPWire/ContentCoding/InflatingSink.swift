/// Decodes a coded body for the sink behind it. Used on the connection's lane only.
///
/// Never more than a buffer's worth is decoded ahead of the sink, which may take less than it is
/// offered: then the body is paused until `Exchange.resumeBody`, as without a coding. What the sink
/// does not want any more is dropped undecoded.
public final class InflatingSink: BodySink {
    /// Decoded bytes that are offered at once: the fold works well on them, and they stay in the
    /// cache.
    private static let bufferBytes = 64 * 1024
    /// Coded bytes that one call decodes before the lane's other connections have their turn: 50 µs
    /// of a model, and 0.7 ms of the slowest there is, empty blocks with codes of their own.
    private static let turnBytes = 16 * 1024
    /// Decoded bytes likewise.
    private static let turnDecodedBytes = 256 * 1024

    private let sink: any BodySink
    private let inflater: Inflater
    private let exchange: any Exchange
    private let refuse: (InflateError) -> Void
    private let buffer: UnsafeMutableRawBufferPointer
    /// What of the buffer the sink has not taken yet.
    private var pending = 0..<0
    /// The buffer was filled whole, so there may be more without further input.
    private var mayHoldMore = false
    /// Bytes at the beginning of the next chunk that are decoded already: a body can only be paused
    /// by leaving some of it.
    private var ahead = 0
    private var isRefused = false

    /// - Parameters:
    ///   - sink: gets the decoded body; it is aborted before `refuse` is called.
    ///   - exchange: the body's, to resume it after a turn.
    ///   - refuse: answers a body that cannot be decoded, or that is larger than allowed.
    public init(
        _ sink: any BodySink, inflater: Inflater, exchange: any Exchange,
        refuse: @escaping (InflateError) -> Void
    ) {
        self.sink = sink
        self.inflater = inflater
        self.exchange = exchange
        self.refuse = refuse
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 64)
    }

    deinit { buffer.deallocate() }

    public var wantsBody: Bool { !isRefused && sink.wantsBody }

    public func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        var position = ahead
        ahead = 0
        let turnEnd = min(chunk.count, position + Self.turnBytes)
        var decoded = 0
        do throws(InflateError) {
            while wantsBody {
                guard deliver() else { return pause(chunk, at: position) }
                if position == chunk.count, !mayHoldMore { break }
                if position == turnEnd && !mayHoldMore || decoded >= Self.turnDecodedBytes {
                    exchange.resumeBody()
                    return pause(chunk, at: position)
                }
                let input = UnsafeRawBufferPointer(rebasing: chunk[position..<turnEnd])
                let (taken, produced) = try inflater.inflate(input, into: buffer)
                position += taken
                decoded += produced
                pending = 0..<produced
                mayHoldMore = produced == buffer.count
            }
        } catch {
            fail(error)
        }
        return chunk.count
    }

    public func finish() {
        guard !isRefused else { return }
        do throws(InflateError) {
            if sink.wantsBody { try inflater.finish() }
            sink.finish()
        } catch {
            fail(error)
        }
    }

    public func abort(_ reason: BodyAbort) {
        if !isRefused { sink.abort(reason) }
    }

    /// Offers the sink what it has not taken yet.
    ///
    /// - Returns: whether it took all.
    private func deliver() -> Bool {
        guard !pending.isEmpty else { return true }
        let taken = sink.receive(UnsafeRawBufferPointer(rebasing: buffer[pending]))
        pending = pending.lowerBound + taken..<pending.upperBound
        return pending.isEmpty
    }

    /// `position` bytes of `chunk` are decoded; the rest is to be pushed again.
    private func pause(_ chunk: UnsafeRawBufferPointer, at position: Int) -> Int {
        let taken = min(position, chunk.count - 1)
        ahead = position - taken
        return taken
    }

    private func fail(_ error: InflateError) {
        isRefused = true
        sink.abort(.malformed)
        refuse(error)
    }
}
