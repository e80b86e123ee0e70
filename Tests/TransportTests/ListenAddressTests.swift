import HTTPWire
import Testing

@testable import Transport

@Suite struct ListenAddressTests {
    @Test func `addresses are read and printed`() throws {
        let good: [(String, ListenAddress, String)] = [
            ("127.0.0.1:8080", .tcp(host: "127.0.0.1", port: 8080), "http://127.0.0.1:8080"),
            ("[::1]:0", .tcp(host: "::1", port: 0), "http://[::1]:0"),
            ("localhost:65535", .tcp(host: "localhost", port: 65535), "http://localhost:65535"),
            ("http://a:80", .tcp(host: "a", port: 80), "http://a:80"),
            ("https://a:443", .tls(host: "a", port: 443), "https://a:443"),
            ("https://[::1]:0", .tls(host: "::1", port: 0), "https://[::1]:0"),
            ("unix:/run/x.sock", .unix(path: "/run/x.sock"), "unix:/run/x.sock"),
        ]
        for (text, address, printed) in good {
            #expect(try ListenAddress(text) == address)
            #expect(address.description == printed)
        }
    }

    @Test func `each mistake has its own error`() {
        let long = "unix:/" + String(repeating: "x", count: 107)
        let bad: [(String, ListenAddressError)] = [
            ("", .missingPort("")), ("8080", .missingPort("8080")),
            (":8080", .missingHost(":8080")), ("[]:1", .missingHost("[]:1")),
            ("a:", .invalidPort("a:")), ("a:65536", .invalidPort("a:65536")),
            ("a:-1", .invalidPort("a:-1")), ("a:+1", .invalidPort("a:+1")),
            ("::1:80", .bracketsNeeded("::1:80")), ("[::1:80", .bracketsNeeded("[::1:80")),
            ("unix:", .missingPath("unix:")), ("unix:/a\0b", .missingPath("unix:/a\0b")),
            ("https://a", .missingPort("https://a")), ("https://:1", .missingHost("https://:1")),
            ("ftp://a:1", .bracketsNeeded("ftp://a:1")), (long, .pathTooLong(long)),
        ]
        for (text, error) in bad {
            #expect(throws: error) { try ListenAddress(text) }
        }
        #expect(throws: Never.self) { try ListenAddress(String(long.dropLast())) }
    }

    @Test(
        arguments: [
            ("127.0.0.1", true), ("127.200.3.4", true), ("128.0.0.1", false), ("10.0.0.1", false),
            ("::1", true), ("::2", false), ("::ffff:127.0.0.9", true),
            ("::ffff:10.0.0.1", false), ("2001:db8::1", false),
        ])
    func `only this machine's addresses are loopback`(_ host: String, _ isLoopback: Bool) throws {
        let address = ListenAddress.tcp(host: host, port: 1)
        let resolved = try SocketAddress(host: host, port: 1, for: address)
        #expect(resolved.peer == (isLoopback ? .loopback : .remote))
    }
}
