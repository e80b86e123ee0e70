import Foundation

/// Tells systemd how the service is, by the protocol of sd_notify(3): a datagram to the socket
/// that `$NOTIFY_SOCKET` names. Without the variable nothing is sent.
struct ServiceManager {
    private let socketPath: String?

    init(environment: [String: String]) {
        socketPath = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
    }

    func ready() {
        send("READY=1")
    }

    func stopping() {
        send("STOPPING=1")
    }

    /// Errors are not reported: a manager that does not listen cannot be helped.
    private func send(_ state: String) {
        guard let socketPath else { return }
        var address = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        var name = Array(socketPath.utf8)
        guard name.count < capacity else { return }
        // An abstract name is written with @ and sent with NUL.
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        // An abstract name ends where the address does, so the length must be exact.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)

        let fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return }
        defer { close(fd) }
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = state.withCString {
                    sendto(fd, $0, strlen($0), Int32(MSG_NOSIGNAL), generic, length)
                }
            }
        }
    }
}
