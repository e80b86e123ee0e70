import Foundation
import Testing

@testable import polyak

@Suite struct ServeTests {
    @Test func `SIGTERM and SIGINT end the service with 0`() throws {
        for number in [SIGTERM, SIGINT] {
            let running = try RunningCommand.service()
            running.send(number)
            #expect(running.end() == 0)
            #expect(running.said.contains("stopped"))
        }
    }

    @Test func `SIGHUP does not end the service`() throws {
        let running = try RunningCommand.service()
        running.send(SIGHUP)
        running.waitUntilSaid("SIGHUP: nothing to read again")
        let client = try UnixClient(running.socketPath)
        #expect(
            try client.exchange("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        running.send(SIGTERM)
        #expect(running.end() == 0)
    }

    @Test func `a second SIGTERM ends it at once, an upload in flight or not`() throws {
        let running = try RunningCommand.service()
        let client = try UnixClient(running.socketPath)
        let settings = #"{"strategy": "polynomial_decay"}"#
        let created = try client.exchange(
            """
            PUT /v1/sessions/s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
            Content-Length: \(settings.utf8.count)\r\n\r\n\(settings)
            """)
        #expect(created.hasPrefix("HTTP/1.1 201"))
        let going = try client.exchange(
            """
            POST /v1/sessions/s/parameters HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
            Content-Type: application/vnd.safetensors\r\nContent-Length: 1000\r\n\r\n
            """)
        #expect(going.hasPrefix("HTTP/1.1 100"))
        running.send(SIGTERM)
        running.waitUntilSaid("stopping")
        running.send(SIGTERM)
        #expect(running.end() == 128 + SIGTERM)
        #expect(!running.said.contains("stopped"))
    }

    @Test func `systemd is told when it is ready and when it stops`() throws {
        let name = "polyak-test-\(UUID())"
        let manager = try UnixClient(receivingDatagramsAt: [0] + Array(name.utf8))
        let running = try RunningCommand.service(environment: ["NOTIFY_SOCKET": "@" + name])
        #expect(try manager.receive() == "READY=1")
        running.send(SIGTERM)
        #expect(try manager.receive() == "STOPPING=1")
        #expect(running.end() == 0)
    }

    @Test func `the effective settings are logged once`() throws {
        let running = try RunningCommand.service(environment: ["POLYAK_IDLE_TIMEOUT": "5m"])
        running.send(SIGTERM)
        #expect(running.end() == 0)
        let lines = running.said.split(separator: "\n").filter { $0.contains("idle-timeout=5m") }
        #expect(lines.count == 1)
        for setting in Setting.table {
            #expect(lines.first?.contains(" \(setting.key)=") == true, "\(setting.key)")
        }
    }

    @Test func `wrong settings end the start with 64, all of them named`() throws {
        let running = try RunningCommand([
            "serve", "--listen", "0.0.0.0:0", "--fields", "many", "--nonsense",
        ])
        #expect(running.end() == 64)
        for text in ["0.0.0.0:0", "fields is 'many'", "'--nonsense' is not a setting"] {
            #expect(running.said.contains(text))
        }
    }

    @Test func `a start that fails says why and ends with 1`() throws {
        let first = try RunningCommand.service()
        let second = try RunningCommand([
            "serve", "--listen", "unix:\(first.socketPath)", "--runtime-directory", "FOLDER/r",
            "--data-directory", "FOLDER/d",
        ])
        #expect(second.end() == 1)
        #expect(second.said.contains("polyak: cannot start: "))
        #expect(second.said.contains(first.socketPath))
        first.send(SIGTERM)
        #expect(first.end() == 0)
    }
}
