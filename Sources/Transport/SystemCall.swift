import CPlatform
import Glibc

/// What a system call came to, for the calls whose failure is an everyday event.
enum SystemOutcome {
    case done(Int)
    /// `EAGAIN`: nothing can be done now; the poller tells when.
    case again
    case failed(Int32)
}

/// Makes a system call until no signal interrupts it.
///
/// `EBADF` and `EFAULT` say that this module lost track of its own descriptors or memory: going on
/// could hit someone else's, so the process ends.
@inline(__always)
func systemCall(_ call: () -> Int) -> SystemOutcome {
    while true {
        let result = call()
        if result >= 0 { return .done(result) }
        let code = errno
        switch code {
        case EINTR:
            continue
        case EAGAIN:
            return .again
        case EBADF, EFAULT:
            preconditionFailure("a system call was given a bad descriptor or address: \(code)")
        default:
            return .failed(code)
        }
    }
}

/// A call that can fail only through an error of this module, such as a wrong option number.
@inline(__always)
func infallible(_ name: StaticString, _ call: () -> Int32) {
    if case .failed(let code) = systemCall({ Int(call()) }) {
        preconditionFailure("\(name): \(describe(code))")
    }
}

/// The system's words for an error number.
func describe(_ code: Int32) -> String {
    String(cString: strerror(code))
}

/// Calls on a socket that several files need.
enum Socket {
    static func set(_ fd: Int32, level: Int32, option: Int32, to value: Int32) -> Int32 {
        var value = value
        return setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Bytes that the peer sent and nobody has read (`FIONREAD`).
    static func unreadBytes(_ fd: Int32) -> Int {
        count(fd, UInt(FIONREAD))
    }

    /// Bytes written that the peer's kernel (TCP) or the peer itself (AF_UNIX) does not have yet
    /// (`SIOCOUTQ`, the same number as `TIOCOUTQ`).
    static func unsentBytes(_ fd: Int32) -> Int {
        count(fd, UInt(TIOCOUTQ))
    }

    /// Whether a TCP peer has closed its sending side, be it that its end was read here or
    /// waits behind unread bytes.
    static func peerHasEnded(_ fd: Int32) -> Bool {
        // tcpi_state is the first byte of the answer, and all that is asked for.
        var state: UInt8 = 0
        var size = socklen_t(1)
        infallible("getsockopt") { getsockopt(fd, Int32(IPPROTO_TCP), TCP_INFO, &state, &size) }
        return state != UInt8(TCP_ESTABLISHED)
    }

    /// Takes the error that waits on the socket; 0 when there is none.
    static func takeError(_ fd: Int32) -> Int32 {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        infallible("getsockopt") { getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) }
        return code
    }

    /// Closes so that the peer sees a reset and not an orderly end.
    static func reset(_ fd: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        _ = close(fd)
    }

    private static func count(_ fd: Int32, _ request: UInt) -> Int {
        var bytes: Int32 = 0
        guard case .done = systemCall({ Int(ioctl(fd, request, &bytes)) }) else { return 0 }
        return Int(bytes)
    }
}
