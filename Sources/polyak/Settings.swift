import ServiceLimits

/// What `polyak serve` runs with: the result of flags, environment, file and defaults.
struct Settings: Sendable, Equatable {
    /// The word that leaves a directory's choice to the command.
    static let automatic = "auto"

    /// The word for a directory or file that is not wanted.
    static let off = "off"

    /// Where to listen: `HOST:PORT`, also after `http://` or `https://`, or `unix:/path`.
    var listen = ["127.0.0.1:8080"]
    /// Listen on other machines' addresses although nobody has to say who they are.
    var allowAnonymous = false
    /// PEM files for TLS, or `off`.
    var tlsCertificate = Settings.off
    var tlsKey = Settings.off
    var tlsClientCA = Settings.off
    /// Whether clients must show a certificate of `tlsClientCA`'s: `optional`, `required` or `off`.
    var tlsClient = "optional"
    var dataDirectory = Settings.automatic
    var runtimeDirectory = Settings.automatic
    var localFiles = Settings.off
    var tokenFile = Settings.off
    /// Event loops; 0 is one for each processor.
    var lanes = 0
    var logLevel = "info"
    var limits = Limits()
}
