/// Why the service cannot start with the settings it was given: one case for each cause.
enum SettingsError: Error, Equatable {
    case unreadableFile(path: String, reason: String)
    case notYAML(path: String, detail: String)
    /// A key, flag or variable that is no setting; `similar` is what may have been meant.
    case unknown(name: String, similar: String?, origin: Origin)
    case unusable(key: String, given: String, allowed: String, origin: Origin)
    /// A key or flag without anything behind it.
    case noValue(key: String, allowed: String, origin: Origin)
    /// A word on the command line that is neither a flag nor a flag's value.
    case strayWord(String)
    /// An address that other machines reach, with neither `token-file` nor `allow-anonymous`.
    case exposed(address: String, origin: Origin)
    /// An address under TLS without both a certificate and its key.
    case noCertificate(address: String, missing: String, origin: Origin)
    /// A certificate, but no address under TLS that would use it.
    case unusedCertificate(origin: Origin)
    /// Client certificates are required, and no authority is named that vouches for any.
    case noAuthorities(origin: Origin)
}

extension SettingsError: CustomStringConvertible {
    var description: String {
        switch self {
        case .unreadableFile(let path, let reason):
            "\(path): cannot be read: \(reason)"
        case .notYAML(let path, let detail):
            "\(path): not a YAML mapping of settings: \(detail)"
        case .unknown(let name, let similar, let origin):
            "\(origin): '\(name)' is not a setting; "
                + (similar.map { "did you mean '\($0)'? " } ?? "")
                + "`polyak config reference` lists them all"
        case .unusable(let key, let given, let allowed, let origin):
            "\(origin): \(key) is '\(given)'; allowed: \(allowed)"
        case .noValue(let key, let allowed, let origin):
            "\(origin): \(key) has no value; allowed: \(allowed)"
        case .strayWord(let word):
            "command line: '\(word)' is not a flag; settings are given as --key value"
        case .exposed(let address, let origin):
            "\(origin): listen is '\(address)', which other machines reach, and everyone there "
                + "could change every session; say who may with --token-file FILE (`polyak token` "
                + "makes its lines), or listen on 127.0.0.1, [::1] or unix:/PATH, or add "
                + "--allow-anonymous"
        case .noCertificate(let address, let missing, let origin):
            "\(origin): listen is '\(address)', which needs \(missing)"
        case .unusedCertificate(let origin):
            "\(origin): tls-certificate is given, but no address of listen begins with https://, "
                + "so nothing would be encrypted"
        case .noAuthorities(let origin):
            "\(origin): tls-client is 'required', which needs tls-client-ca"
        }
    }
}

/// Where a value came from.
enum Origin: Sendable, Equatable {
    case standard
    case file(path: String, line: Int?)
    case environment(name: String)
    case flag(String)
}

extension Origin: CustomStringConvertible {
    var description: String {
        switch self {
        case .standard: "default"
        case .file(let path, let line): line.map { "\(path):\($0)" } ?? path
        case .environment(let name): "environment \(name)"
        case .flag(let name): "flag \(name)"
        }
    }
}
