import Transport

/// Collects settings from their sources. Read the file first, then the environment, then the
/// flags: what is read later wins. Problems are collected, so that one run names them all.
struct SettingsReader {
    private(set) var settings = Settings()
    /// Where each setting that is not at its default came from, by key.
    private(set) var origins: [String: Origin] = [:]
    private(set) var problems: [SettingsError] = []

    func origin(of setting: Setting) -> Origin {
        origins[setting.key] ?? .standard
    }

    /// Reads a YAML file. See `SettingsFile` for its form.
    mutating func readFile(_ path: String) {
        do throws(SettingsError) {
            for entry in try SettingsFile.entries(of: path) {
                let origin = Origin.file(path: path, line: entry.line)
                guard let setting = Setting.named(entry.key) else {
                    refuseUnknown(entry.key, among: Setting.table.map(\.key), origin)
                    continue
                }
                take(setting, entry.texts, shown: entry.shown, from: origin)
            }
        } catch {
            problems.append(error)
        }
    }

    /// Reads the variables that begin with `POLYAK_`. Lists are separated by commas.
    mutating func readEnvironment(_ environment: [String: String]) {
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            guard name.hasPrefix(Setting.environmentPrefix), !Self.isServiceLink(name),
                name != Self.fileVariable
            else { continue }
            let origin = Origin.environment(name: name)
            guard let setting = Setting.table.first(where: { $0.environmentName == name }) else {
                refuseUnknown(name, among: Setting.table.map(\.environmentName), origin)
                continue
            }
            let texts = setting.isList ? value.split(separator: ",").map(String.init) : [value]
            take(setting, value.isEmpty ? [] : texts, shown: value, from: origin)
        }
    }

    /// The variable that names the file, as `--config` does.
    static let fileVariable = Setting.environmentPrefix + "CONFIG"

    /// Reads `--key value` and `--key=value`. A flag given again replaces what came before, except
    /// that all of a list's values count.
    mutating func readFlags(_ words: [String]) {
        var given: [(setting: Setting, texts: [String])] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("--") else {
                problems.append(.strayWord(word))
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let setting = Setting.table.first(where: { $0.flag == name }) else {
                refuseUnknown(name, among: Setting.table.map(\.flag), .flag(name))
                // The value of an unknown flag is no second mistake.
                if parts.count == 1, let next = rest.first, !next.hasPrefix("--") {
                    rest.removeFirst()
                }
                continue
            }
            var texts = parts.dropFirst().map(String.init)
            if texts.isEmpty {
                if setting.isFlag {
                    texts = ["true"]
                } else if let next = rest.first, !next.hasPrefix("--") {
                    texts = [rest.removeFirst()]
                }
            }
            if let index = given.firstIndex(where: { $0.setting.key == setting.key }) {
                given[index].texts = setting.isList ? given[index].texts + texts : texts
            } else {
                given.append((setting, texts))
            }
        }
        for (setting, texts) in given {
            take(
                setting, texts, shown: texts.joined(separator: ", "), from: .flag(setting.flag))
        }
    }

    /// Looks at what no setting can say alone. To be called when everything is read.
    mutating func checkTogether() {
        checkTLS()
        guard !settings.allowAnonymous, settings.tokenFile == Settings.off else { return }
        for address in settings.listen where (try? ListenAddress(address))?.isLocal != true {
            problems.append(
                .exposed(address: address, origin: origins["listen"] ?? .standard))
        }
    }

    private mutating func checkTLS() {
        let encrypted = settings.listen.first { (try? ListenAddress($0))?.isEncrypted == true }
        let files = [
            ("tls-certificate", settings.tlsCertificate), ("tls-key", settings.tlsKey),
        ]
        for (key, path) in files where path == Settings.off {
            guard let encrypted else { continue }
            problems.append(
                .noCertificate(
                    address: encrypted, missing: key, origin: origins["listen"] ?? .standard))
        }
        if encrypted == nil, let origin = origins["tls-certificate"],
            settings.tlsCertificate != Settings.off
        {
            problems.append(.unusedCertificate(origin: origin))
        }
        if settings.tlsClient == "required", settings.tlsClientCA == Settings.off {
            problems.append(.noAuthorities(origin: origins["tls-client"] ?? .standard))
        }
    }

    /// Puts the chosen directories in the place of `auto`; where they came from stays as it is.
    mutating func settle(_ directories: ServiceDirectories) {
        settings.runtimeDirectory = directories.runtime
        settings.dataDirectory = directories.data
    }

    private mutating func take(
        _ setting: Setting, _ texts: [String], shown: String, from origin: Origin
    ) {
        if texts.isEmpty {
            problems.append(.noValue(key: setting.key, allowed: setting.allowed, origin: origin))
        } else if setting.assign(texts, to: &settings) {
            origins[setting.key] = origin
        } else {
            problems.append(
                .unusable(key: setting.key, given: shown, allowed: setting.allowed, origin: origin))
        }
    }

    private mutating func refuseUnknown(_ name: String, among names: [String], _ origin: Origin) {
        let nearest = names.map { ($0, Self.distance($0, name)) }.min { $0.1 < $1.1 }
        let similar = nearest.flatMap { $0.1 <= 3 ? $0.0 : nil }
        problems.append(.unknown(name: name, similar: similar, origin: origin))
    }

    /// Kubernetes gives every pod of a namespace variables named after its services; for a service
    /// named polyak they begin as ours do (`POLYAK_SERVICE_HOST`, `POLYAK_PORT_8080_TCP_ADDR`).
    private static func isServiceLink(_ name: String) -> Bool {
        name.hasPrefix("POLYAK_SERVICE_") || name == "POLYAK_PORT"
            || name.hasPrefix("POLYAK_PORT_")
    }

    /// Levenshtein's distance: how many letters to insert, delete or replace.
    private static func distance(_ one: String, _ other: String) -> Int {
        let letters = Array(other)
        var row = Array(0...letters.count)
        for (line, letter) in one.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for (column, candidate) in letters.enumerated() {
                let replaced = diagonal + (letter == candidate ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[letters.count]
    }
}
