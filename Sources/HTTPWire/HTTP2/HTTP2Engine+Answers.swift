import CNGHTTP2
import ServiceLimits

extension HTTP2Engine {
    /// What is handed out at once: enough for each write to be a long one; a reader that stalls
    /// holds on to so much of a file.
    private static var outputBytes: Int { 512 * 1024 }

    /// The service has decided.
    func answer(_ stream: HTTP2Stream, _ response: Response) {
        guard stream.index != nil, case .none = stream.answer else { return }
        precondition(200...599 ~= response.status, "status \(response.status) is no final answer")
        _ = takeSink(stream)
        give(stream, response)
        if !isInCall { link.host?.wake() }
    }

    /// Submits an answer; what still comes of the request's body is dropped.
    func give(_ stream: HTTP2Stream, _ response: Response) {
        stream.answer = .sending
        stream.delivery = .dropping
        stream.closesConnection = response.closesConnection
        stream.progress = now
        dropKept(stream, isClosed: false)
        let hasBody = !stream.isHeadRequest && response.hasContent
        if hasBody { stream.body = AnswerBody(response.body) }
        session.submitResponse(
            stream, FieldList(response, length: response.contentLength, date: date.now()),
            hasBody: hasBody)
    }

    func resumeResponse(_ stream: HTTP2Stream) {
        guard stream.index != nil, case .sending = stream.answer else { return }
        stream.body.resume()
        session.resumeData(stream: stream.id)
        link.host?.wake()
    }

    /// The service has given up; what of the answer is sent was cut.
    func failResponse(_ stream: HTTP2Stream) {
        if stream.hasSliceInFlight { stream.wasFailed = true }
        guard stream.index != nil, case .sending = stream.answer else { return }
        stream.wasFailed = true
        stream.body = AnswerBody()
        session.submitReset(stream: stream.id, NGHTTP2_INTERNAL_ERROR)
        link.host?.wake()
    }

    // MARK: What nghttp2 asks

    /// How many bytes of a body there are for a frame; nil: ask again when what was handed out is
    /// written.
    func supplyData(_ stream: HTTP2Stream, upTo limit: Int) -> AnswerBody.Supply? {
        // After an upgrade nothing large follows the 101 before the client has spoken HTTP/2: curl
        // 7.88 gives up when more comes with it than its buffer holds.
        guard output.count < Self.outputBytes, sawSettings else { return nil }
        let supply = stream.body.supply(upTo: limit)
        if case .failed = supply { stream.wasFailed = true }
        return supply
    }

    func sendData(_ stream: HTTP2Stream, header: UnsafeRawBufferPointer, count: Int) {
        output.append(header)
        if !stream.isInFlight { inFlight.append(stream) }
        stream.isInFlight = true
        if stream.body.isAtSlice { stream.hasSliceInFlight = true }
        stream.body.take(count, into: &output)
        budget.moved(count)
    }

    func didSend(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        switch header.type {
        case FrameTracker.Kind.headers, FrameTracker.Kind.data:
            guard header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
                let stream = session.stream(header.stream_id)
            else { return }
            finishAnswer(stream)
        case FrameTracker.Kind.resetStream:
            noteReset(session.stream(header.stream_id), frame.pointee.rst_stream.error_code)
        default:
            break
        }
    }

    /// The last byte of an answer was handed out.
    private func finishAnswer(_ stream: HTTP2Stream) {
        stream.answer = .sent
        stream.body = AnswerBody()
        budget.earn(FrameBudget.answerCredit)
        if stream.closesConnection { session.submitGoAway() }
        guard !stream.hasEnded else { return }
        let isShort = (stream.remaining ?? 0) <= limits.drain && stream.dropAllowance >= 0
        if stream.wasTimedOut {
            resetRest(stream)
        } else if stream.mayAwaitContinue {
            // Curl 7.88 loses an answer that it reads together with a reset, however late it reads.
            stream.lingerEnd = lingerEnd
        } else if !isShort || dropEnd != nil {
            linger(stream)
        }
    }

    private var lingerEnd: Instant {
        min(now + limits.linger, dropEnd ?? now + limits.linger)
    }

    /// Goes on dropping a long body for a while. RFC 9113 section 8.1 would have it reset at once,
    /// but curl and Java's client then report an error instead of the answer, and httpx looks for
    /// an answer only when it has sent everything: so the window is opened for it.
    private func linger(_ stream: HTTP2Stream) {
        stream.lingerEnd = lingerEnd
        session.consumeStream(stream.id, stream.withheld)
        stream.withheld = 0
        widenWindow(stream)
    }

    /// The answer is complete, and the rest of the body is not wanted (RFC 9113 section 8.1).
    func resetRest(_ stream: HTTP2Stream) {
        session.submitReset(stream: stream.id, NGHTTP2_NO_ERROR)
    }

    /// We reset a stream: if for the client's fault, that costs it.
    private func noteReset(_ stream: HTTP2Stream?, _ code: UInt32) {
        stream?.wasReset = true
        guard code != NGHTTP2_NO_ERROR.rawValue, !peerEnded, stream?.wasFailed != true else {
            return
        }
        stream?.wasMalformed = true
        budget.spend(FrameBudget.resetCost)
        if budget.isExhausted { fail(NGHTTP2_ENHANCE_YOUR_CALM) }
    }

    // MARK: Output

    public func nextOutput(now: Instant) -> EngineOutput {
        call(now) {
            if let ending { return ending.output }
            noteWritten()
            do throws(HTTP2Session.Failure) {
                try fillOutput()
                if isShuttingDown, streams.isEmpty, !isFailed {
                    fail(NGHTTP2_NO_ERROR)
                    try fillOutput()
                }
            } catch {
                end(.close)
            }
            if output.count == 0 { endIfDone() }
            if output.count == 0, let ending { return ending.output }
            return output.take()
        }
    }

    private func fillOutput() throws(HTTP2Session.Failure) {
        while output.count < Self.outputBytes, let bytes = try session.send() {
            output.append(bytes)
        }
    }

    /// The transport asks again only when everything before is written.
    private func noteWritten() {
        guard !inFlight.isEmpty else { return }
        for stream in inFlight {
            stream.progress = now
            stream.isInFlight = false
            stream.hasSliceInFlight = false
        }
        inFlight = []
    }

    /// Nothing is left to write: nothing may be left to do either.
    private func endIfDone() {
        if !session.wantsRead, !session.wantsWrite {
            end(peerEnded ? .close : .closeAfterLinger)
        } else if peerEnded, !streams.contains(where: \.awaitsService) {
            // Whoever cannot send cannot open a window either.
            end(.close)
        }
    }
}
