import Foundation
import HTTPWire
import SecretFiles
import ServiceLimits
import Testing
import Transport

/// The files that TLS is set up from: what is refused, and reading them again.
@Suite struct TLSFileTests {
    private static let certificates = TestCertificates.shared

    private static func refusal(_ files: TLSFiles) -> TLSError? {
        do throws(TLSError) {
            _ = try TLSIdentity(files, protocols: [.http1])
            return nil
        } catch {
            return error
        }
    }

    @Test func `each mistake has its own error`() throws {
        let good = Self.certificates.files("server")
        #expect(Self.refusal(good) == nil)

        var files = good
        files.certificate = "/nonexistent"
        #expect(
            Self.refusal(files)
                == .unusableCertificate(path: "/nonexistent", reason: "No such file or directory"))
        files.certificate = good.key
        guard case .unusableCertificate = Self.refusal(files) else {
            Issue.record("a key passed for a certificate")
            return
        }

        files = good
        files.key = "/nonexistent"
        #expect(
            Self.refusal(files)
                == .unreadableKey(
                    .unreadable(path: "/nonexistent", reason: "No such file or directory")))
        files.key = good.certificate
        chmod(good.certificate, 0o640)
        guard case .unusableKey = Self.refusal(files) else {
            Issue.record("a certificate passed for a key")
            return
        }

        files = good
        files.key = Self.certificates.path("other.key")
        guard case .mismatch = Self.refusal(files) else {
            Issue.record("another certificate's key passed")
            return
        }

        files = Self.certificates.files("server", clientAuthorities: "server.key")
        guard case .unusableAuthorities = Self.refusal(files) else {
            Issue.record("a key passed for an authority")
            return
        }
    }

    @Test(arguments: [(0o600, true), (0o400, true), (0o640, true), (0o604, false), (0o602, false)])
    func `a key that others may read or change is refused`(_ mode: Int, _ isTaken: Bool) throws {
        let copy = temporaryPath()
        let good = Self.certificates.files("server")
        try FileManager.default.copyItem(atPath: good.key, toPath: copy)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        chmod(copy, mode_t(mode))
        let refusal = Self.refusal(TLSFiles(certificate: good.certificate, key: copy))
        let exposed = SecretFileError.exposed(path: copy, mode: mode_t(mode), fix: "chmod 600")
        #expect(refusal == (isTaken ? nil : .unreadableKey(exposed)))
    }

    /// As `ssl-cert` of Debian has it: root's, or somebody's who renews it, and a group's to read.
    @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
    func `a key may be another user's, and is closed to others too`() throws {
        let copy = temporaryPath()
        let good = Self.certificates.files("server")
        try FileManager.default.copyItem(atPath: good.key, toPath: copy)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        #expect(chown(copy, 65_533, 65_534) == 0)
        let files = TLSFiles(certificate: good.certificate, key: copy)
        chmod(copy, 0o640)
        #expect(Self.refusal(files) == nil)
        chmod(copy, 0o644)
        let exposed = SecretFileError.exposed(path: copy, mode: 0o644, fix: "chmod o=")
        #expect(Self.refusal(files) == .unreadableKey(exposed))
    }

    @Test func `a folder or a pipe in a file's place is refused and not waited for`() throws {
        let (folder, pipe) = (temporaryPath(), temporaryPath())
        #expect(mkdir(folder, 0o700) == 0 && mkfifo(pipe, 0o600) == 0)
        defer { for path in [folder, pipe] { try? FileManager.default.removeItem(atPath: path) } }
        let good = Self.certificates.files("server", clientAuthorities: "server.pem")
        for path in [folder, pipe] {
            let reason = "it is no regular file"
            var files = good
            files.key = path
            #expect(Self.refusal(files) == .unreadableKey(.notAFile(path: path)))
            files = good
            files.certificate = path
            #expect(Self.refusal(files) == .unusableCertificate(path: path, reason: reason))
            files = good
            files.clientAuthorities = path
            #expect(Self.refusal(files) == .unusableAuthorities(path: path, reason: reason))
        }
    }

    @Test func `a key with a password is refused instead of asked for`() throws {
        let path = temporaryPath()
        let good = Self.certificates.files("server")
        TestCertificates.openssl([
            "pkey", "-in", good.key, "-aes128", "-passout", "pass:secret", "-out", path,
        ])
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard
            case .unusableKey = Self.refusal(TLSFiles(certificate: good.certificate, key: path))
        else {
            Issue.record("it was taken")
            return
        }
    }

    @Test func `a certificate out of its term is taken with a warning`() throws {
        let expired = try TLSIdentity(Self.certificates.files("expired"), protocols: [.http1])
        #expect(expired.dateProblem == "it has expired")
        #expect(try TestCertificates.identity().dateProblem == nil)
        #expect(try TestCertificates.identity().summary.hasPrefix("CN=localhost, until "))
    }

    @Test func `new connections get a new certificate, and a broken one changes nothing`()
        async throws
    {
        let folder = URL(fileURLWithPath: temporaryPath())
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = TLSFiles(
            certificate: folder.appendingPathComponent("c").path,
            key: folder.appendingPathComponent("k").path)
        @Sendable func install(_ name: String) throws {
            let pair = Self.certificates.files(name)
            for (source, target) in [
                (pair.certificate, files.certificate), (pair.key, files.key),
            ] {
                try? FileManager.default.removeItem(atPath: target)
                try FileManager.default.copyItem(atPath: source, toPath: target)
            }
        }
        try install("server")
        let identity = try TLSIdentity(files, protocols: [.http1])
        try await withServer(.tls, identity: identity, engine: TLSTests.facts) { server throws in
            func subject() throws -> String? {
                try Client(server.addresses[0]).tls?.serverName
            }
            let early = try server.connect()
            #expect(try subject() == "localhost")
            try install("names")
            #expect(try subject() == "localhost")
            try identity.reload()
            #expect(try subject() == "unused")

            try Data("no certificate".utf8).write(to: URL(fileURLWithPath: files.certificate))
            #expect(throws: TLSError.self) { try identity.reload() }
            #expect(try subject() == "unused")
            try install("server")
            chmod(files.key, 0o604)
            #expect(throws: TLSError.self) { try identity.reload() }
            for path in [files.key, files.certificate] {
                try install("server")
                #expect(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
                #expect(throws: TLSError.self) { try identity.reload() }
            }
            #expect(try subject() == "unused")
            // Begun before the change, and still under way.
            try early.send("\n")
            #expect(try early.line() == "true|none")
        }
    }
}
