import CPlatform
import Glibc
import HTTPWire

/// A socket address of any family, as the system calls take and give it.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    /// Calls `body` with room for an address that the system fills in.
    init(filledBy body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Void) {
        withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                withUnsafeMutablePointer(to: &length) { body(address, $0) }
            }
        }
    }

    /// A path of at most `ListenAddress.longestPath` bytes.
    init(path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            precondition(path.utf8.count < room.count, "the path's length was not checked")
            room.copyBytes(from: path.utf8)
        }
        self.init(copying: address)
    }

    /// The first address of a host, numeric or by name.
    init(host: String, port: Int, for address: ListenAddress) throws(TransportError) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0, let first = list?.pointee, let found = first.ai_addr else {
            throw .unresolvable(address, reason: String(cString: gai_strerror(code)))
        }
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: found, count: Int(first.ai_addrlen)))
        }
        length = first.ai_addrlen
    }

    private init<Address>(copying address: Address) {
        withUnsafeBytes(of: address) { bytes in
            withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: bytes) }
        }
        length = socklen_t(MemoryLayout<Address>.size)
    }

    var family: Int32 { Int32(storage.ss_family) }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// The port of an internet address; 0 for others.
    var port: Int {
        switch family {
        case AF_INET: Int(UInt16(bigEndian: read(sockaddr_in.self).sin_port))
        case AF_INET6: Int(UInt16(bigEndian: read(sockaddr_in6.self).sin6_port))
        default: 0
        }
    }

    /// What the address tells about the other end: 127.0.0.0/8, ::1 and the former written as
    /// IPv6 (::ffff:127.0.0.0/104) are this machine's.
    var peer: Peer {
        switch family {
        case AF_UNIX: return .unixSocket
        case AF_INET:
            let address = UInt32(bigEndian: read(sockaddr_in.self).sin_addr.s_addr)
            return address >> 24 == 127 ? .loopback : .remote
        case AF_INET6:
            let bytes = withUnsafeBytes(of: read(sockaddr_in6.self).sin6_addr) { Array($0) }
            let zeros = bytes.prefix(10).allSatisfy { $0 == 0 }
            let isOne = zeros && bytes[10...14].allSatisfy { $0 == 0 } && bytes[15] == 1
            let isMapped = zeros && bytes[10] == 0xFF && bytes[11] == 0xFF && bytes[12] == 127
            return isOne || isMapped ? .loopback : .remote
        default: return .remote
        }
    }

    private func read<Address>(_ type: Address.Type) -> Address {
        withUnsafeBytes(of: storage) { $0.loadUnaligned(as: type) }
    }
}
