extension HTTP1Engine {
    /// The client may have chosen HTTP/2 beforehand: then its preface comes first (RFC 9113 section
    /// 3.3).
    ///
    /// - Returns: how many bytes were taken; nil when they are an HTTP/1.1 head's.
    func receivePreface(_ bytes: UnsafeRawBufferPointer, seen: Int) -> Int? {
        let matched = Preface.match(bytes, seen: seen)
        if seen + matched == Preface.count {
            let successor = HTTP2Engine(
                limits: limits, handler: handler, host: host, peer: peer, now: now)
            Preface.bytes.withUnsafeBytes { _ = successor.receive($0, now: now) }
            handOver(to: successor)
            return matched
        }
        guard matched < bytes.count else {
            prefaceSeen = seen + matched
            return matched
        }
        prefaceSeen = nil
        guard seen > 0 else { return nil }
        // What looked like a preface so far was the beginning of a head.
        Preface.bytes.withUnsafeBytes {
            _ = receiveHead(UnsafeRawBufferPointer(rebasing: $0[..<seen]))
        }
        return nil
    }

    /// Switches to HTTP/2 when a request asks for it as RFC 7540 section 3.2 says. Otherwise the
    /// field is ignored, as a server may: with a body, over TLS, or when its settings are wrong.
    ///
    /// - Returns: whether the request is now the other engine's.
    func upgrade(_ head: ParsedHead) -> Bool {
        guard head.asksUpgrade, !head.isOldVersion, !peer.isEncrypted, !isShuttingDown,
            head.request.body == .none || head.request.body == .known(0),
            let settings = UpgradeSettings.payload(of: head.request.fields)
        else { return false }
        noteAcknowledgement()
        let successor = HTTP2Engine(
            limits: limits, handler: handler, host: host, peer: peer,
            acknowledgedAnswers: acknowledgedAnswers, now: now)
        guard successor.upgrade(head.request, settings: settings) else {
            successor.disconnected()
            return false
        }
        handOver(to: successor)
        return true
    }

    private func handOver(to successor: HTTP2Engine) {
        phase = .handedOver
        host.handOver(to: successor)
    }

    private var host: any EngineHost {
        guard let host = link.host else { preconditionFailure("input after the end") }
        return host
    }
}

/// The settings that a client sends with the request that is to be answered over HTTP/2.
enum UpgradeSettings {
    /// The payload of a SETTINGS frame; nil unless `fields` ask for an upgrade to `h2c` in form.
    static func payload(of fields: HeaderFields) -> [UInt8]? {
        guard names(fields, "upgrade", "h2c"), names(fields, "connection", "upgrade"),
            names(fields, "connection", "http2-settings")
        else { return nil }
        let settings = fields.all("http2-settings")
        guard settings.count == 1, let payload = decode(settings[0]), payload.count % 6 == 0 else {
            return nil
        }
        return payload
    }

    private static func names(
        _ fields: HeaderFields, _ field: StaticString, _ option: String
    ) -> Bool {
        guard let list = fields.list(field) else { return false }
        var scanner = FieldScanner(list)
        repeat {
            scanner.skipWhitespace()
            let token = scanner.token()
            scanner.skipWhitespace()
            let isWhole = scanner.isAtEnd || scanner.take(Byte.comma)
            guard isWhole else { return false }
            if token == option { return true }
        } while !scanner.isAtEnd
        return false
    }

    /// `token68` of base64url without padding (RFC 7540 section 3.2.1).
    static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for character in text.utf8 {
            guard let value = value(character) else { return nil }
            bits = bits << 6 | value
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 0x41
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 0x61 + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) - 0x30 + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
