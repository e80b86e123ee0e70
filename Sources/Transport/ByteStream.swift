import Glibc

/// The bytes of a connected socket as the engine's peer sees them, plain or encrypted.
///
/// Used on the connection's lane only. Whoever owns the stream owns the socket; the stream never
/// closes it.
protocol ByteStream: AnyObject {
    /// Reads what is there, at most `buffer.count` bytes; `.done(0)` is the peer's end. Fewer bytes
    /// than asked for mean that there is nothing more to be had now.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> SystemOutcome
    /// Writes from one place, as much as is taken.
    func write(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome
    /// Writes from several places, in order, as much as is taken; at most `IOV_MAX` of them.
    func write(_ pieces: UnsafeBufferPointer<iovec>) -> SystemOutcome
    /// Tells the peer that nothing more is written, beyond the socket's own end.
    func endWriting()
    /// Whether `sendfile` on the socket says what is meant.
    var sendsFiles: Bool { get }
}

/// A socket's own bytes.
final class PlainStream: ByteStream {
    private let fd: Int32

    init(fd: Int32) {
        self.fd = fd
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> SystemOutcome {
        systemCall { recv(fd, buffer.baseAddress, buffer.count, 0) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> SystemOutcome {
        systemCall { send(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    func write(_ pieces: UnsafeBufferPointer<iovec>) -> SystemOutcome {
        systemCall { writev(fd, pieces.baseAddress, Int32(pieces.count)) }
    }

    func endWriting() {}

    var sendsFiles: Bool { true }
}
