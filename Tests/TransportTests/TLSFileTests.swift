import Foundation
import HTTPWire
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
                == .unusableKey(path: "/nonexistent", reason: "No such file or directory"))
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
        #expect(refusal == (isTaken ? nil : .openKey(path: copy)))
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
            // Begun before the change, and still under way.
            try early.send("\n")
            #expect(try early.line() == "true|none")
        }
    }
}
