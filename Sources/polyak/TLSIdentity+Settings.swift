import HTTPWire
import Logging
import Transport

extension TLSIdentity {
    /// The identity that `settings` name; nil when no address is under TLS.
    convenience init?(_ settings: Settings, _ logger: Logger) throws(TLSError) {
        guard settings.tlsCertificate != Settings.off else { return nil }
        let asksClients = settings.tlsClient != "off" && settings.tlsClientCA != Settings.off
        try self.init(
            TLSFiles(
                certificate: ServiceDirectories.absolute(settings.tlsCertificate),
                key: ServiceDirectories.absolute(settings.tlsKey),
                clientAuthorities: asksClients
                    ? ServiceDirectories.absolute(settings.tlsClientCA) : nil,
                requiresClientCertificate: settings.tlsClient == "required"),
            protocols: [.http2, .http1])
        warnOfDate(logger)
    }

    /// Reads the files again at SIGHUP.
    func reloadAction(_ logger: Logger) -> ReloadAction {
        ReloadAction(name: "TLS certificate") {
            try self.reload()
            self.warnOfDate(logger)
            return self.summary
        }
    }

    private func warnOfDate(_ logger: Logger) {
        guard let problem = dateProblem else { return }
        logger.warning(
            "clients will refuse the TLS certificate", metadata: ["reason": "\(problem)"])
    }
}
