/// One connection's protocol without its input and output: bytes in, bytes and slices out.
///
/// `Transport` owns the socket and drives an engine; HTTP/1.1 is one engine, HTTP/2 another, and
/// the transport does not know which it drives. Everything here runs on the connection's lane,
/// except where `EngineHost` says otherwise. The clock is a parameter, so tests need neither a
/// socket nor time.
public protocol WireEngine: AnyObject {
    /// Bytes came from the peer.
    ///
    /// - Returns: how many were taken. When fewer, the engine is paused: the transport keeps the
    ///   rest, reads no more, and offers it again when `EngineHost.wake` was called.
    func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Int

    /// The peer passed open files together with the bytes that `receive` gets next.
    func receive(_ descriptors: [any PassedDescriptor])

    /// The peer sends no more (FIN). Answers in progress may still be written.
    func receiveEnd(now: Instant)

    /// The connection is gone (reset, write error, dropped by the transport, or closed because the
    /// engine asked for it). Ends what was in progress; the last call an engine gets, exactly once.
    func disconnected()

    /// How the transport should read now.
    var readDemand: ReadDemand { get }

    /// The next piece to write; asked when everything before it has been written to the socket.
    /// For a slice the engine is asked again only after its last byte was written.
    func nextOutput(now: Instant) -> EngineOutput

    /// When `timeExpired` wants to be called; nil: never. Read by the transport after every call.
    /// The time in which nothing is read because the engine is paused never counts.
    var deadline: Instant? { get }

    /// The deadline passed. `unreadBytes`: what lies in the socket's receive queue, which counts
    /// as progress of the peer.
    func timeExpired(now: Instant, unreadBytes: Int)

    /// The service is stopping: no new request is taken; answers in progress are completed, with
    /// `Connection: close`. An idle connection closes now.
    func beginShutdown(now: Instant)

    /// The time for that is over: a request whose body is still coming is refused with 503
    /// `shutting-down`, and its sink aborted, so that nothing of it is kept. One that is complete
    /// may be being carried out, so its answer is waited for. The connection is reset at `end`.
    func endGrace(now: Instant, until end: Instant)

    /// Whether a request body is being received, for balancing lanes and the end of a shutdown.
    var isReceivingBody: Bool { get }

    /// The connection is to be reset without writing what was handed out already. Looked at after
    /// `EngineHost.wake`.
    var isReset: Bool { get }

    /// Counts up each time a further request head was completed that had not arrived before the
    /// last answer's final byte was handed out: the peer has then read that answer whole (pipelined
    /// requests prove nothing). A transport may let go of slices sent before.
    var acknowledgedAnswers: Int { get }
}

extension WireEngine {
    /// An engine that has no use for open files closes them.
    public func receive(_ descriptors: [any PassedDescriptor]) {}
}

/// What an engine wants to receive.
public enum ReadDemand: Sendable, Equatable {
    /// Do not read: the engine is paused, or answers first (back-pressure).
    case none
    /// Read; wake up when at least this many bytes are there (1, or in a body of known length
    /// `min(remaining, receive size)`: fewer wake-ups for the same bytes).
    case bytes(atLeast: Int)
}

/// What an engine wants to be written.
public enum EngineOutput {
    case bytes([UInt8])
    case slice(FileSlice)
    /// Several pieces for one write. Slices among them are copied, whatever their `transfer` says.
    case pieces([OutputPiece])
    /// Nothing to write now.
    case nothing
    /// Everything is written: shut the write side down, drop what still comes until the peer's FIN
    /// or `Limits.linger`, then close.
    case closeAfterLinger
    /// Close at once.
    case close
    /// Reset the connection (SO_LINGER 0), so that a cut answer cannot pass for a whole one.
    case reset
}

/// One of several pieces that are written together.
public enum OutputPiece {
    case bytes([UInt8])
    case slice(FileSlice)
}

/// The thread that everything of a connection runs on. It outlives the connection.
public protocol EngineLane: AnyObject, Sendable {
    /// Runs `work` on the lane. From any thread; in order; soon. On the lane itself it is still
    /// queued, never run inside the call. Also after the connection has gone.
    func post(_ work: @escaping @Sendable () -> Void)
    /// Whether the caller runs on the lane.
    var isCurrent: Bool { get }
}

/// What an engine needs from the transport that hosts it. An engine may hold its host until
/// `WireEngine.disconnected`, and not longer.
public protocol EngineHost: AnyObject, Sendable {
    /// The connection's lane.
    var engineLane: any EngineLane { get }
    /// On the lane: something changed outside a call of the transport's (an answer was given, a
    /// body resumed): offer kept bytes again, ask for output, look at demand and deadline. Also
    /// called from inside a call of the transport's, so it only queues.
    func wake()
    /// Inside the engine's `receive`: the connection goes on under another engine, from the byte
    /// after the last that `receive` says it took. The caller gets `disconnected` next.
    func handOver(to successor: any WireEngine)
}
