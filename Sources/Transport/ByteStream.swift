import Glibc
import HTTPWire

/// The bytes of a connected socket as the engine's peer sees them, plain or encrypted.
///
/// Used on the connection's lane only. Whoever owns the stream owns the socket; the stream never
/// closes it.
protocol ByteStream: AnyObject {
    /// Brings the stream to the point where it can be read and written; until then called again
    /// whenever the socket is ready for `readInterest`.
    func handshake() -> HandshakeOutcome
    /// Reads what is there, at most `buffer.count` bytes; `.done(0)` is the peer's end. Fewer bytes
    /// than asked for mean that there is nothing more to be had now, unless `holdsInput` says so.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> SystemOutcome
    /// Writes from one place, as much as is taken.
    func write(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome
    /// Writes from several places, in order, as much as is taken; at most `IOV_MAX` of them.
    func write(_ pieces: UnsafeBufferPointer<iovec>) -> SystemOutcome
    /// Brings what was taken, and the stream's own messages, into the socket; `.done` when all is
    /// there.
    func flush() -> SystemOutcome
    /// Tells the peer that nothing more is written, beyond the socket's own end.
    ///
    /// - Returns: whether it is told; if not, to be called again when the socket takes bytes.
    func endWriting() -> Bool

    /// Whether the socket's bytes are the engine's: what `sendfile` puts there and what a
    /// low-water mark waits for is what is meant.
    var isPlain: Bool { get }
    /// Bytes may be had by reading although the socket has none.
    var holdsInput: Bool { get }
    /// Bytes that were read from the socket and have not become any to be had: of a record that
    /// has not come whole.
    var incompleteBytes: Int { get }
    /// What the socket must be ready for before reading is worth another try.
    var readInterest: Interest { get }
    /// What the socket must be ready for before writing is worth another try.
    var writeInterest: Interest { get }
}

/// What a handshake has come to.
enum HandshakeOutcome {
    /// The stream is open.
    case done(Agreement)
    /// The socket is not ready.
    case again
    /// The peer does not speak the stream's protocol; it was sent nothing.
    case foreign
    /// The error of the socket, or `EPROTO` with an alert sent to the peer; the reason in words.
    case failed(Int32, reason: String)
}

/// What a handshake told about the peer.
struct Agreement {
    var isEncrypted = false
    var certificateNames: [String] = []
    var applicationProtocol: ApplicationProtocol?
}

/// A socket's own bytes.
final class PlainStream: ByteStream {
    private let fd: Int32

    init(fd: Int32) {
        self.fd = fd
    }

    func handshake() -> HandshakeOutcome { .done(Agreement()) }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> SystemOutcome {
        systemCall { recv(fd, buffer.baseAddress, buffer.count, 0) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome {
        systemCall { send(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    func write(_ pieces: UnsafeBufferPointer<iovec>) -> SystemOutcome {
        systemCall { writev(fd, pieces.baseAddress, Int32(pieces.count)) }
    }

    func flush() -> SystemOutcome { .done(0) }

    func endWriting() -> Bool { true }

    var isPlain: Bool { true }
    var holdsInput: Bool { false }
    var incompleteBytes: Int { 0 }
    var readInterest: Interest { .read }
    var writeInterest: Interest { .write }
}
