import Transport

extension Setting {
    /// The setting's value in `settings`, spelled as it may be given; several for a list.
    func texts(in settings: Settings) -> [String] {
        switch kind {
        case .count(let path, _): [String(settings[keyPath: path])]
        case .bytes(let path, _): [Quantity.text(bytes: settings[keyPath: path])]
        case .bytesPerSecond(let path, _):
            [Quantity.text(bytesPerSecond: settings[keyPath: path])]
        case .duration(let path, _): [Quantity.text(settings[keyPath: path])]
        case .flag(let path): [String(settings[keyPath: path])]
        case .choice(let path, _), .path(let path, _): [settings[keyPath: path]]
        case .addresses(let path): settings[keyPath: path]
        }
    }

    /// Puts a value given as text into `settings`.
    ///
    /// - Parameter texts: one text, or for a list one for each element.
    /// - Returns: whether it was a value of this setting; if not, nothing is changed.
    func assign(_ texts: [String], to settings: inout Settings) -> Bool {
        if case .addresses(let path) = kind {
            guard (1...16).contains(texts.count), texts.allSatisfy(Self.isAddress) else {
                return false
            }
            settings[keyPath: path] = texts
            return true
        }
        guard let text = texts.first, texts.count == 1 else { return false }
        switch kind {
        case .count(let path, let range):
            return put(Quantity.count(text), in: range, at: path, of: &settings)
        case .bytes(let path, let range):
            return put(Quantity.bytes(text), in: range, at: path, of: &settings)
        case .bytesPerSecond(let path, let range):
            return put(Quantity.bytesPerSecond(text), in: range, at: path, of: &settings)
        case .duration(let path, let range):
            return put(Quantity.duration(text), in: range, at: path, of: &settings)
        case .flag(let path):
            guard let value = Bool(text) else { return false }
            settings[keyPath: path] = value
        case .choice(let path, let words):
            guard words.contains(text) else { return false }
            settings[keyPath: path] = text
        case .path(let path, _):
            guard !text.isEmpty, !text.utf8.contains(0) else { return false }
            settings[keyPath: path] = text
        case .addresses:
            return false
        }
        return true
    }

    private func put<Value: Comparable>(
        _ value: Value?, in range: ClosedRange<Value>, at path: any Path<Value>,
        of settings: inout Settings
    ) -> Bool {
        guard let value, range.contains(value) else { return false }
        settings[keyPath: path] = value
        return true
    }

    private static func isAddress(_ text: String) -> Bool {
        (try? ListenAddress(text)) != nil
    }
}
