import ServiceLimits

extension HTTP1Engine {
    /// Bodies up to this size are written together with their head.
    private static var inlineBytes: Int { 16 * 1024 }

    /// The service has decided.
    func answer(_ exchange: HTTP1Exchange, _ response: Response) {
        guard self.exchange === exchange, case .idle = output, !isAnswerWritten else { return }
        precondition(200...599 ~= response.status, "status \(response.status) is no final answer")
        output = .given(response)
        sink = nil
        delivery = .dropping
        owesContinue = false
        finishBodyIfComplete()
        if !isInCall { link.host?.wake() }
    }

    func resumeResponse(_ exchange: HTTP1Exchange) {
        guard self.exchange === exchange, case .stream(var stream) = output else { return }
        stream.resume()
        output = .stream(stream)
        link.host?.wake()
    }

    /// The service has given up; what of the answer is written was cut.
    func failResponse(_ exchange: HTTP1Exchange) {
        guard self.exchange === exchange else { return }
        self.exchange = nil
        output = .idle
        end(.reset)
        link.host?.wake()
    }

    public func nextOutput(now: Instant) -> EngineOutput {
        call(now) {
            if let ending { return ending.output }
            switch output {
            case .idle:
                guard owesContinue else { return .nothing }
                owesContinue = false
                mayAwaitContinue = false
                return .bytes(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
            case .given(let response):
                return begin(response)
            case .bytes(let bytes):
                output = .last
                return .bytes(bytes)
            case .slice(let slice):
                output = .last
                return .slice(slice)
            case .stream(let stream):
                output = .last
                return next(of: stream)
            case .last:
                return finishAnswer()
            }
        }
    }

    /// What a client is answered that sends plain HTTP where TLS is spoken; the connection is then
    /// to be closed.
    public static var refusalOfPlainText: [UInt8] {
        let response = WireError.plainTextUnderTLS.problem(Limits()).response()
        var bytes: [UInt8] = []
        var date = HTTPDate()
        guard case .bytes(let body) = response.body else { return [] }
        bytes.appendHead(
            of: response, framing: .length(body.count), connection: .close, date: date.now())
        return bytes + body
    }

    /// Writes the head, with the body if that is small.
    private func begin(_ response: Response) -> EngineOutput {
        let hasBody = !isHeadRequest && response.hasContent
        let framing = framing(of: response)
        if response.closesConnection || !canKeep { closesAfterAnswer = true }
        if hasBody, case .untilClose = framing { closesAfterAnswer = true }
        if closesAfterAnswer { phase = .ended }

        var buffer: [UInt8] = []
        buffer.reserveCapacity(512)
        buffer.appendHead(
            of: response, framing: framing,
            connection: closesAfterAnswer ? .close : isOldVersion ? .keepAlive : .none,
            date: date.now())
        output = .last
        guard hasBody else { return .bytes(buffer) }
        switch response.body {
        case .empty:
            break
        case .bytes(let bytes):
            if bytes.count <= Self.inlineBytes {
                buffer.append(contentsOf: bytes)
            } else {
                output = .bytes(bytes)
            }
        case .slice(let slice):
            if slice.count > 0 { output = .slice(slice) }
        case .stream(_, let source):
            output = .stream(ResponseStream(source, framing: streamFraming(framing)))
        }
        return .bytes(buffer)
    }

    private func framing(of response: Response) -> ResponseFraming {
        if let length = response.contentLength { return .length(length) }
        if isHeadRequest || !response.hasContent { return .none }
        return isOldVersion ? .untilClose : .chunked
    }

    private func streamFraming(_ framing: ResponseFraming) -> ResponseStream.Framing {
        switch framing {
        case .length(let length): .length(length)
        case .chunked: .chunked
        case .none, .untilClose: .untilClose
        }
    }

    /// Whether the connection can be used again after the answer that is about to begin.
    private var canKeep: Bool {
        guard keepsAlive, !isShuttingDown, !peerEnded || hasRefused else { return false }
        guard phase == .body else { return phase == .complete }
        // Not knowing whether the body comes, one cannot know where the next head would begin.
        guard !mayAwaitContinue, case .length(let remaining) = framing else { return false }
        return remaining <= limits.drain
    }

    private func next(of stream: ResponseStream) -> EngineOutput {
        var stream = stream
        let piece = stream.next()
        switch piece {
        case .end:
            return finishAnswer()
        case .failed:
            exchange = nil
            end(.reset)
            return .reset
        case .nothing, .bytes, .slice:
            output = .stream(stream)
        }
        switch piece {
        case .bytes(let bytes): return .bytes(bytes)
        case .slice(let slice): return .slice(slice)
        case .nothing, .end, .failed: return .nothing
        }
    }

    /// Every byte of the answer is written.
    private func finishAnswer() -> EngineOutput {
        output = .idle
        exchange = nil
        isAnswerWritten = true
        nextHeadAcknowledges = !hasRefused
        if closesAfterAnswer || isShuttingDown || (peerEnded && !hasRefused) {
            end(peerEnded ? .close : .closeAfterLinger)
            return peerEnded ? .close : .closeAfterLinger
        }
        guard phase == .complete else { return .nothing }
        awaitNextHead()
        if hasRefused { link.host?.wake() }
        return .nothing
    }

    /// Request and answer are both complete.
    func awaitNextHead() {
        phase = .head
        headDeadline = now + limits.idleTimeout
        isAnswerWritten = false
        isHeadRequest = false
        isOldVersion = false
    }
}
