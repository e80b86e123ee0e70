import Foundation
import ServiceLimits
import Testing

@testable import polyak

@Suite struct SettingsReaderTests {
    @Test func `without any source everything is at its default`() {
        var reader = SettingsReader()
        reader.readEnvironment(["PATH": "/bin", "NOTPOLYAK_LISTEN": "x"])
        reader.readFlags([])
        reader.checkTogether()
        #expect(reader.settings == Settings())
        #expect(reader.problems.isEmpty)
        #expect(reader.rows.allSatisfy { $0.origin == "default" })
    }

    @Test func `a flag wins over the environment, which wins over the file`() throws {
        try withFile("fields: 20\nsessions: 20\ntensors: 20\n") { path in
            var reader = SettingsReader()
            reader.readFile(path)
            reader.readEnvironment(["POLYAK_SESSIONS": "30", "POLYAK_TENSORS": "30"])
            reader.readFlags(["--tensors", "40"])
            #expect(reader.problems.isEmpty)
            #expect(reader.settings.limits.fields == 20)
            #expect(reader.settings.limits.sessions == 30)
            #expect(reader.settings.limits.tensors == 40)
            #expect(reader.origins["fields"] == .file(path: path, line: 1))
            #expect(reader.origins["sessions"] == .environment(name: "POLYAK_SESSIONS"))
            #expect(reader.origins["tensors"] == .flag("--tensors"))
        }
    }

    @Test func `a value follows its flag as a word or after an equals sign`() {
        var reader = SettingsReader()
        reader.readFlags(["--linger=2s", "--drain", "2MiB", "--allow-anonymous"])
        #expect(reader.problems.isEmpty)
        #expect(reader.settings.limits.linger == .seconds(2))
        #expect(reader.settings.limits.drain == 2 << 20)
        #expect(reader.settings.allowAnonymous)
    }

    @Test func `a repeated list flag adds, another replaces`() {
        var reader = SettingsReader()
        reader.readFlags([
            "--listen", "127.0.0.1:1", "--fields", "20", "--listen=unix:/s", "--fields", "30",
        ])
        #expect(reader.problems.isEmpty)
        #expect(reader.settings.listen == ["127.0.0.1:1", "unix:/s"])
        #expect(reader.settings.limits.fields == 30)
    }

    @Test func `a list in the environment is separated by commas`() {
        var reader = SettingsReader()
        reader.readEnvironment(["POLYAK_LISTEN": "127.0.0.1:1,unix:/s"])
        #expect(reader.settings.listen == ["127.0.0.1:1", "unix:/s"])
    }

    @Test func `an unknown name is refused with what may have been meant`() throws {
        try withFile("# x\nidle-timout: 3s\n") { path in
            var reader = SettingsReader()
            reader.readFile(path)
            reader.readEnvironment(["POLYAK_LISTN": "x"])
            reader.readFlags(["--nothing-like", "5"])
            #expect(
                reader.problems == [
                    .unknown(
                        name: "idle-timout", similar: "idle-timeout",
                        origin: .file(path: path, line: 2)),
                    .unknown(
                        name: "POLYAK_LISTN", similar: "POLYAK_LISTEN",
                        origin: .environment(name: "POLYAK_LISTN")),
                    .unknown(
                        name: "--nothing-like", similar: nil, origin: .flag("--nothing-like")),
                ])
            #expect(reader.problems[0].description.contains("\(path):2"))
            #expect(reader.problems[0].description.contains("did you mean 'idle-timeout'?"))
        }
    }

    @Test func `a value out of range names key, value, what is allowed, and where`() throws {
        try withFile("fields: 9\n") { path in
            var reader = SettingsReader()
            reader.readFile(path)
            let problem = try #require(reader.problems.first)
            #expect(
                problem.description
                    == "\(path):1: fields is '9'; allowed: 10 to 10000 (a number)")
            #expect(reader.settings == Settings())
        }
    }

    @Test func `a flag without its value is refused`() {
        for words in [["--fields"], ["--fields", "--allow-anonymous"]] {
            var reader = SettingsReader()
            reader.readFlags(words)
            guard case .noValue("fields", _, .flag("--fields")) = reader.problems.first else {
                Issue.record("\(reader.problems)")
                continue
            }
        }
        var reader = SettingsReader()
        reader.readFlags(["serve"])
        #expect(reader.problems == [.strayWord("serve")])
    }

    @Test func `variables of a Kubernetes service named polyak are not settings`() {
        var reader = SettingsReader()
        reader.readEnvironment([
            "POLYAK_SERVICE_HOST": "10.0.0.1", "POLYAK_SERVICE_PORT": "80",
            "POLYAK_SERVICE_PORT_HTTP": "80", "POLYAK_PORT": "tcp://10.0.0.1:80",
            "POLYAK_PORT_80_TCP_ADDR": "10.0.0.1", "POLYAK_CONFIG": "/etc/polyak.yaml",
        ])
        #expect(reader.problems.isEmpty)
        #expect(reader.settings == Settings())
    }

    @Test(arguments: [
        "0.0.0.0:80", "[::]:80", "192.0.2.1:80", "example.org:80", "127.0.0.1.example:1",
    ])
    func `an address that others reach needs a token file or allow-anonymous`(address: String) {
        var reader = SettingsReader()
        reader.readFlags(["--listen", "unix:/s", "--listen", address])
        reader.checkTogether()
        #expect(reader.problems == [.exposed(address: address, origin: .flag("--listen"))])

        for words in [["--allow-anonymous"], ["--token-file", "tokens"]] {
            var allowed = SettingsReader()
            allowed.readFlags(["--listen", address] + words)
            allowed.checkTogether()
            #expect(allowed.problems.isEmpty)
        }
    }

    @Test(arguments: ["127.0.0.1:80", "127.1.2.3:0", "[::1]:80", "localhost:80", "unix:/s"])
    func `an address of this machine alone needs nothing`(address: String) {
        var reader = SettingsReader()
        reader.readFlags(["--listen", address])
        reader.checkTogether()
        #expect(reader.problems.isEmpty)
    }

    @Test func `what TLS needs is asked for before the start`() {
        func problems(_ flags: String...) -> [String] {
            var reader = SettingsReader()
            reader.readFlags(flags)
            reader.checkTogether()
            return reader.problems.map(\.description)
        }
        let listen = "--listen=https://127.0.0.1:1"
        #expect(problems(listen).count == 2)
        #expect(problems(listen, "--tls-certificate=c")[0].contains("needs tls-key"))
        #expect(problems(listen, "--tls-key=k")[0].contains("needs tls-certificate"))
        #expect(problems(listen, "--tls-certificate=c", "--tls-key=k").isEmpty)
        let unused = problems("--tls-certificate=c", "--tls-key=k")
        #expect(unused.count == 1 && unused[0].contains("nothing would be encrypted"))
        let certificate = ["--tls-certificate=c", "--tls-key=k"]
        let alone = problems(listen, certificate[0], certificate[1], "--tls-client=required")
        #expect(alone.count == 1 && alone[0].contains("needs tls-client-ca"))
        #expect(
            problems(
                listen, certificate[0], certificate[1], "--tls-client=required",
                "--tls-client-ca=a"
            ).isEmpty)
        #expect(problems("--listen=https://10.0.0.1:1", certificate[0], certificate[1]).count == 1)
    }

    @Test(arguments: ["", ":80", "80", "host", "host:65536", "::1:80", "unix:", "ftp://a:80"])
    func `what is no address is refused`(address: String) {
        var reader = SettingsReader()
        reader.readFlags(["--listen=\(address)"])
        #expect(reader.problems.count == 1)
        #expect(reader.settings == Settings())
    }
}

/// Runs `body` with a file of this text, which is removed afterwards.
func withFile(_ text: String, _ body: (String) throws -> Void) throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).yaml")
    try Data(text.utf8).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    try body(url.path)
}
