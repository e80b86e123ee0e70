/// The one interface between the wire and what lies above it, the same for every HTTP version.
///
/// Body bytes are pushed in with back-pressure, response bytes are pulled out. All calls the wire
/// makes — to a `RequestHandler`, a `BodySink` or a `BodySource` — come on the connection's lane,
/// never two at once for one exchange. What may be called from any thread says so.

/// Decides on each request as soon as its head is known.
public protocol RequestHandler: Sendable {
    /// Called once for each request, before any of its body is read.
    ///
    /// The answer is given through `exchange`, before or after this returns. Runs on a lane:
    /// it must not block.
    func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition
}

/// What is to become of a request's body.
public enum BodyDisposition {
    /// Nobody wants it: it is dropped, or never sent (`Expect: 100-continue`), or the connection is
    /// closed, as `Limits.drain` says. Also right for a request without a body.
    case discard
    /// Push it to the sink; a client that waits for `100 Continue` gets it now.
    case accept(any BodySink)
    /// As `accept`, but nothing is pushed and no `100 Continue` is sent before `resumeBody()`.
    case acceptLater(any BodySink)
}

/// Takes a request's body. Called on the connection's lane only.
public protocol BodySink: AnyObject {
    /// Takes bytes of the body, which are valid during the call only.
    ///
    /// - Returns: how many were taken. Fewer than `chunk.count` pauses the body: nothing more is
    ///   read from the client, and the rest is pushed again after `Exchange.resumeBody()`.
    ///   After the exchange was answered, return `chunk.count`: the wire drops what follows.
    func receive(_ chunk: UnsafeRawBufferPointer) -> Int
    /// The body is complete and was correctly framed. Never called when the body was cut short.
    func finish()
    /// The body will not be completed: the client is gone, broke the framing, or was too slow
    /// (the wire has answered what can be answered). No call follows. Not called after `finish`,
    /// nor when this side answered before the body's end.
    func abort(_ reason: BodyAbort)
    /// Whether what still comes is looked at. When it is not, whoever decodes the body for this
    /// sink may leave that, and give it nothing more before `finish`.
    var wantsBody: Bool { get }
}

extension BodySink {
    /// Most look at every byte.
    public var wantsBody: Bool { true }
}

/// Why a body will not be completed.
public enum BodyAbort: Sendable, Equatable {
    /// The peer closed or reset the connection, or the stream.
    case disconnected
    /// The peer broke the protocol inside the body.
    case malformed
    /// Too little came for too long (`Limits.bodyGrace`, `Limits.bodyRate`).
    case timedOut
    /// The service is stopping.
    case shuttingDown
}

/// One request and its answer. Every method may be called from any thread.
public protocol Exchange: AnyObject, Sendable {
    /// Gives the final answer. The first call counts; later ones, and one after the client has
    /// gone, do nothing.
    func respond(_ response: Response)
    /// Continues a body that its sink paused. Harmless when it is not paused. A sink may call this
    /// inside `receive`, before it pauses: the body goes on after the lane's other work.
    func resumeBody()
    /// The body's turn has come and all of it is wanted: an HTTP/2 stream gets its large window
    /// (`Limits.streamWindow`). Over HTTP/1.1 it does nothing.
    func widenWindow()
    /// Continues a response whose source said `wait`. Harmless when it does not wait. A source may
    /// call this inside `produce`, before it says so: it is asked after the lane's other work.
    func resumeResponse()
    /// Gives up the answer, wherever it stands: the connection (HTTP/2: the stream) is reset, and
    /// every slice of it is let go of. Does nothing once the answer's last byte was written.
    func failResponse()
    /// Has `work` called once, on the lane, if the request ends before this side answers it: the
    /// client reset the stream or the connection, closed it both ways, or broke the protocol, which
    /// the wire then answers. What waits for something on the client's behalf is given up there.
    ///
    /// The end of what the client sends is not such an end: it may still read its answer. Over TCP
    /// the two look the same until something is written, so a client that has closed an HTTP/1.1
    /// connection is found out only then. Called soon if it has happened already;
    /// let go of, at the latest, with the answer's last byte. The last call counts.
    func onCancel(_ work: @escaping @Sendable () -> Void)
    /// Runs `work` on the connection's lane, soon; in order of the calls. Also after the client
    /// has gone.
    func onLane(_ work: @escaping @Sendable () -> Void)
    /// Takes the open files that the client passed with the request so far, in their order; over a
    /// Unix socket only (unix(7), `SCM_RIGHTS`). On the lane, at the latest in `BodySink.finish`:
    /// what is not taken by then is closed.
    ///
    /// A request with files must not be sent before the answer to the one before it has come: with
    /// pipelining the socket does not tell whose they are.
    func takeDescriptors() -> [any PassedDescriptor]
}

extension Exchange {
    /// A version without windows has nothing to widen.
    public func widenWindow() {}

    /// Most exchanges have none.
    public func takeDescriptors() -> [any PassedDescriptor] { [] }
}

/// An open file that a client passed over a Unix socket; closed when it is let go of, off the lane.
public protocol PassedDescriptor: AnyObject, Sendable {
    /// The descriptor, which is valid as long as this is referenced and not to be closed.
    var number: Int32 { get }
}

/// An answer. Framing fields (`Content-Length`, `Transfer-Encoding`, `Connection`, `Date`) are the
/// wire's and must not be in `fields`. To HEAD the wire sends the same head without the body.
public struct Response {
    /// The status code, 200 to 599.
    public var status: Int
    /// Names as they are to be sent; values without line breaks.
    public var fields: [(name: String, value: String)]
    /// What the wire sends after the head, unless the request was HEAD.
    public var body: ResponseBody
    /// Ends the connection after this answer (`Connection: close`; HTTP/2: GOAWAY).
    public var closesConnection = false

    public init(
        status: Int, fields: [(name: String, value: String)] = [], body: ResponseBody = .empty
    ) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

/// Where an answer's content comes from.
public enum ResponseBody {
    /// No content; `Content-Length: 0` where the status allows a body.
    case empty
    case bytes([UInt8])
    /// A range of a file, sent as it is.
    case slice(FileSlice)
    /// Produced piece by piece. `length` nil: chunked over HTTP/1.1.
    case stream(length: Int?, any BodySource)
}

/// Produces a response's body. Called on the connection's lane only.
public protocol BodySource: AnyObject {
    /// Appends up to about `count` bytes to `buffer`, or hands out a slice, or says why not.
    func produce(upTo count: Int, into buffer: inout [UInt8]) -> BodyPart
}

/// What a `BodySource` has to give.
public enum BodyPart {
    /// Bytes were appended; ask again when they are written.
    case bytes
    /// Send this next, then ask again.
    case slice(FileSlice)
    /// Nothing now; ask again after `Exchange.resumeResponse()`.
    case wait
    /// The body is complete (bytes appended in this call still belong to it).
    case end
    /// The body cannot be completed: the connection (HTTP/2: the stream) is reset, so that the
    /// client cannot take what it has for the whole.
    case fail
}

/// A range of an open file whose bytes do not change while `pin` is held.
public struct FileSlice: Sendable {
    /// An open descriptor; it stays open until `pin` is told `sent`, or goes.
    public var fileDescriptor: Int32
    /// Where the file is mapped (its byte 0), if it is: for transports that cannot use sendfile.
    public var mapping: UnsafeRawPointerBox?
    /// Byte position in the file.
    public var offset: Int
    /// Bytes to send.
    public var count: Int
    /// Keeps the bytes as they are; see `SlicePin` for what letting go of it means.
    public var pin: any SlicePin
    /// How the bytes may leave.
    public var transfer: Transfer

    /// How a slice's bytes reach the socket.
    public enum Transfer: Sendable, Equatable {
        /// By reference, where the transport can: readers may refer to the file's own pages, and
        /// the pin is held until the transport knows that no reader does.
        case sendfile
        /// By copying, from `mapping` or by `pread`: the pin is let go of with the last byte
        /// written, whatever the reader does.
        case copy
    }

    public init(
        fileDescriptor: Int32, mapping: UnsafeRawPointerBox?, offset: Int, count: Int,
        pin: any SlicePin, transfer: Transfer = .sendfile
    ) {
        self.fileDescriptor = fileDescriptor
        self.mapping = mapping
        self.offset = offset
        self.count = count
        self.pin = pin
        self.transfer = transfer
    }
}

/// Keeps a slice's bytes unchanged as long as it is referenced, and its descriptor and mapping open
/// until it is `sent`.
///
/// The transport drops its last reference when no reader can still refer to the file's pages:
/// after that the bytes may be overwritten.
public protocol SlicePin: AnyObject, Sendable {
    /// Nothing on this side reads the file any more: the slice's last byte was handed to the
    /// kernel, or none that is left ever will be. A local reader's socket may still refer to the
    /// pages, which live on when the file is unlinked, unmapped and closed. Called at most once,
    /// on the lane, and only for a slice that was sent by reference; not for one that is copied,
    /// whose pin goes instead.
    func sent()
    /// The transport gives up: a local reader may refer to the file's pages for ever (they sit in
    /// its socket buffer, even after this side has closed), so the file must be unlinked rather
    /// than written again. Called at most once for a slice, from any thread, before the
    /// reference is dropped.
    func abandoned()
}

/// An address that may cross threads, because the slice's pin keeps what it points to unchanged.
public struct UnsafeRawPointerBox: @unchecked Sendable {
    /// Not to be read after the slice's pin was let go of.
    public let pointer: UnsafeRawPointer

    public init(_ pointer: UnsafeRawPointer) {
        self.pointer = pointer
    }
}
