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
        if peer.applicationProtocol == .http2 {
            // Who has agreed to HTTP/2 and does not speak it would not understand an answer of
            // HTTP/1.1 either (RFC 9113 section 3.4).
            end(.closeAfterLinger)
            return bytes.count
        }
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
