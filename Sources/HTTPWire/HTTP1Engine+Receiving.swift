import ServiceLimits

extension HTTP1Engine {
    public func receive(
        _ bytes: UnsafeRawBufferPointer, now: Instant
    ) -> Int {
        call(now) {
            var taken = 0
            while taken < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
                let count =
                    switch phase {
                    case .head: receiveHead(rest)
                    case .body: receiveBody(rest)
                    case .complete, .handedOver: 0
                    case .ended: rest.count
                    }
                if count == 0 { break }
                taken += count
            }
            hasRefused = taken < bytes.count
            if peerEnded, !hasRefused { inputEnded() }
            return taken
        }
    }

    /// Files of one request that are kept: one is used, and what is needed twice is passed twice.
    private static var maximumDescriptors: Int { 4 }

    public func receive(_ descriptors: [any PassedDescriptor]) {
        guard phase != .ended else { return }
        let room = Self.maximumDescriptors - self.descriptors.count
        self.descriptors += descriptors.prefix(room)
    }

    func takeDescriptors(_ exchange: HTTP1Exchange) -> [any PassedDescriptor] {
        guard self.exchange === exchange else { return [] }
        defer { descriptors = [] }
        return descriptors
    }

    func receiveHead(_ bytes: UnsafeRawBufferPointer) -> Int {
        let isFirst = isHeadEmpty
        if let seen = prefaceSeen {
            if let taken = receivePreface(bytes, seen: seen) {
                if isFirst { headDeadline = now + limits.headTimeout }
                return taken
            }
            if phase == .ended { return bytes.count }
        }
        do throws(WireError) {
            let (taken, head) = try reader.receive(bytes, limits: limits)
            if let head {
                guard !upgrade(head) else { return taken }
                begin(head, hasBodyBytes: taken < bytes.count)
            } else if isFirst {
                headDeadline = now + limits.headTimeout
            }
            return taken
        } catch {
            refuse(error)
            return bytes.count
        }
    }

    /// A head is complete: the handler decides.
    private func begin(_ head: ParsedHead, hasBodyBytes: Bool) {
        noteAcknowledgement()
        let request = head.request
        isHeadRequest = request.method == "HEAD"
        isOldVersion = head.isOldVersion
        keepsAlive = head.keepsAlive
        isAnswerWritten = false
        closesAfterAnswer = false
        dropAllowance = limits.drain
        mayAwaitContinue = request.expectsContinue && !hasBodyBytes
        bodyClock = BodyClock(grace: limits.bodyGrace, rate: limits.bodyRate)
        switch request.body {
        case .none: framing = .length(0)
        case .known(let length): framing = .length(length)
        case .unknown: framing = .chunked(ChunkedDecoder())
        }

        let exchange = HTTP1Exchange(link: link)
        self.exchange = exchange
        phase = .body
        delivery = .dropping
        let disposition = handler.handle(request, exchange: exchange)
        if case .idle = output, phase == .body {
            switch disposition {
            case .discard: break
            case .accept(let sink): (self.sink, delivery) = (sink, .pushing)
            case .acceptLater(let sink): (self.sink, delivery) = (sink, .paused)
            }
        }
        owesContinue = mayAwaitContinue && delivery == .pushing
        finishBodyIfComplete()
    }

    /// Whether bytes of the body are taken now.
    var isReadingBody: Bool {
        switch delivery {
        case .pushing: return true
        case .paused: return false
        case .dropping:
            if isAnswerUnderWay { return true }
            switch framing {
            case .length(let remaining): return remaining <= limits.drain
            case .chunked: return dropAllowance > 0
            }
        }
    }

    /// The answer's head was handed out, with the connection to be kept.
    private var isAnswerUnderWay: Bool {
        switch output {
        case .idle: isAnswerWritten
        case .given: false
        case .bytes, .slice, .stream, .last: true
        }
    }

    private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        mayAwaitContinue = false
        owesContinue = false
        var taken = 0
        while taken < bytes.count, phase == .body, isReadingBody {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
            var count = 0
            switch framing {
            case .length(let remaining):
                count = deliver(UnsafeRawBufferPointer(rebasing: rest.prefix(remaining)))
                framing = .length(remaining - count)
            case .chunked(var decoder):
                do throws(WireError) {
                    count = try decoder.advance(rest, limits: limits)
                } catch {
                    refuse(error, abort: .malformed)
                    return bytes.count
                }
                let data = rest[count...].prefix(decoder.dataRemaining)
                if !data.isEmpty {
                    let delivered = deliver(UnsafeRawBufferPointer(rebasing: data))
                    decoder.took(delivered)
                    count += delivered
                }
                framing = .chunked(decoder)
            }
            taken += count
            if delivery == .dropping { dropAllowance -= count }
            var clock = bodyClock
            clock.received(count, now: now)
            bodyClock = clock
            finishBodyIfComplete()
        }
        return taken
    }

    /// Gives bytes of the body to whoever gets them now.
    ///
    /// - Returns: how many were taken; when fewer than came, the body is paused.
    private func deliver(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let sink else { return bytes.count }
        let taken = sink.receive(bytes)
        precondition(taken >= 0 && taken <= bytes.count, "a sink took what it was not given")
        // An answer that the sink gave meanwhile has let go of it: the rest is dropped.
        if taken < bytes.count, self.sink != nil { delivery = .paused }
        return taken
    }

    func finishBodyIfComplete() {
        guard phase == .body, delivery != .paused else { return }
        switch framing {
        case .length(let remaining): guard remaining == 0 else { return }
        case .chunked(let decoder): guard decoder.isComplete else { return }
        }
        phase = .complete
        mayAwaitContinue = false
        let sink = sink
        self.sink = nil
        sink?.finish()
        if !descriptors.isEmpty { descriptors = [] }
        if isAnswerWritten { awaitNextHead() }
    }

    /// The sink takes again what it refused, or begins to take.
    func resumeBody(_ exchange: HTTP1Exchange) {
        guard self.exchange === exchange, phase == .body, delivery == .paused else { return }
        isInCall = true
        delivery = .pushing
        owesContinue = mayAwaitContinue
        finishBodyIfComplete()
        isInCall = false
        link.host?.wake()
    }

    /// The peer broke the protocol or its time is over: answers that, unless there is an answer.
    func refuse(_ error: WireError, abort reason: BodyAbort = .malformed) {
        phase = .ended
        closesAfterAnswer = true
        if isAnswerWritten {
            end(.close)
        } else if mayStillRefuse {
            var response = error.problem(limits).response()
            response.closesConnection = true
            output = .given(response)
            return abandon(reason)
        }
        abortBody(reason)
    }

    /// Nothing of an answer is handed out: then the framing goes first, even if the head alone was
    /// enough to answer.
    private var mayStillRefuse: Bool {
        switch output {
        case .idle, .given: true
        case .bytes, .slice, .stream, .last: false
        }
    }
}
