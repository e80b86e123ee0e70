import COpenSSL
import Foundation
import HTTPWire
import Transport

/// Certificates made for one run of the tests by the `openssl` command; each is `name.pem` and
/// `name.key` in a folder of its own.
final class TestCertificates: Sendable {
    static let shared = TestCertificates()

    private let folder: URL

    private init() {
        folder = URL(fileURLWithPath: temporaryPath())
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        make("ca", subject: "/CN=Test authority", extensions: ["basicConstraints=critical,CA:TRUE"])
        make("server", subject: "/CN=localhost", alternative: "DNS:localhost", by: "ca")
        make("other", subject: "/CN=other", alternative: "DNS:other")
        make("names", subject: "/CN=unused", alternative: "DNS:one,DNS:two,IP:127.0.0.1", by: "ca")
        make("common", subject: "/CN=first/CN=common name", by: "ca")
        make("expired", subject: "/CN=expired")
        expire("expired")
    }

    func path(_ file: String) -> String { folder.appendingPathComponent(file).path }

    /// A pair, as a server is given it.
    func files(
        _ name: String, clientAuthorities: String? = nil, requiresClientCertificate: Bool = false
    ) -> TLSFiles {
        TLSFiles(
            certificate: path(name + ".pem"), key: path(name + ".key"),
            clientAuthorities: clientAuthorities.map(path),
            requiresClientCertificate: requiresClientCertificate)
    }

    /// The identity of most tests: h2 is wanted more than http/1.1.
    static func identity() throws -> TLSIdentity {
        try TLSIdentity(shared.files("server"), protocols: [.http2, .http1])
    }

    private func make(
        _ name: String, subject: String, alternative: String? = nil, by issuer: String? = nil,
        extensions: [String] = []
    ) {
        var extensions = extensions
        if let alternative { extensions.append("subjectAltName=" + alternative) }
        var words = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-utf8", "-days", "30", "-subj", subject, "-keyout", path(name + ".key"),
            "-out", path(name + ".pem"),
        ]
        if let issuer { words += ["-CA", path(issuer + ".pem"), "-CAkey", path(issuer + ".key")] }
        for text in extensions { words += ["-addext", text] }
        Self.openssl(words)
    }

    /// Signs a certificate anew with a term that has ended, which the command refuses to do.
    private func expire(_ name: String) {
        let key = BIO_new_file(path(name + ".key"), "r")
        let old = BIO_new_file(path(name + ".pem"), "r")
        let (signer, certificate) = (
            PEM_read_bio_PrivateKey(key, nil, nil, nil), PEM_read_bio_X509(old, nil, nil, nil)
        )
        X509_gmtime_adj(X509_getm_notBefore(certificate), -7200)
        X509_gmtime_adj(X509_getm_notAfter(certificate), -3600)
        let fresh = BIO_new_file(path(name + ".pem"), "w")
        precondition(X509_sign(certificate, signer, EVP_sha256()) > 0)
        precondition(PEM_write_bio_X509(fresh, certificate) == 1)
        for file in [key, old, fresh] { BIO_free(file) }
        X509_free(certificate)
        EVP_PKEY_free(signer)
    }

    static func openssl(_ words: [String]) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + words
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try? process.run()
        process.waitUntilExit()
        precondition(process.terminationStatus == 0, "openssl \(words) failed")
    }
}
