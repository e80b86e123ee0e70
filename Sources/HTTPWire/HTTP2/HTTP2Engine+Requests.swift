import CNGHTTP2
import ServiceLimits

extension HTTP2Engine {
    /// A frame begins.
    ///
    /// - Returns: false when it is an error of the connection that nghttp2 lets pass: then
    ///   `frameError` says which.
    func isInOrder(_ header: nghttp2_frame_hd) -> Bool {
        let id = header.stream_id
        switch header.type {
        case FrameTracker.Kind.headers:
            guard id <= lastStream, session.stream(id) == nil else { return true }
            switch closed.way(id) {
            case .reset: return true
            case .ended: frameError = NGHTTP2_STREAM_CLOSED
            // RFC 9113 section 5.1.1: streams are begun in order.
            case nil: frameError = NGHTTP2_PROTOCOL_ERROR
            }
        case FrameTracker.Kind.continuation where header.length > maximumFrameBytes:
            // RFC 9113 section 4.2; nghttp2 looks at the other frames.
            frameError = NGHTTP2_FRAME_SIZE_ERROR
        default:
            return true
        }
        return false
    }

    /// A header block begins.
    func beginHeaders(_ frame: UnsafePointer<nghttp2_frame>) {
        let id = frame.pointee.hd.stream_id
        if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
            section = FieldSection()
            addStream(id)
        }
    }

    @discardableResult
    func addStream(_ id: Int32) -> HTTP2Stream {
        let stream = HTTP2Stream(
            link: link, id: id,
            clock: BodyClock(grace: limits.bodyGrace, rate: limits.bodyRate), now: now)
        lastStream = id
        stream.index = streams.count
        streams.append(stream)
        session.attach(stream)
        return stream
    }

    /// The next field of the header block.
    ///
    /// - Returns: false when no more fields of this block are wanted.
    func receiveField(
        _ frame: UnsafePointer<nghttp2_frame>, name: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) -> Bool {
        if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
            section.add(name: name, value: value, limits: limits)
            guard section.decodedBytes > Self.headerRoom * limits.headerBytes else { return true }
            // A byte of a block can name kilobytes: who does it once will do it again.
            hasSwollenBlock = true
            return false
        }
        guard let stream = session.stream(frame.pointee.hd.stream_id) else { return false }
        stream.trailerBytes += name.count + value.count + 2
        guard stream.trailerBytes > limits.trailerBytes else { return true }
        refuse(stream, .trailersTooLarge, abort: .malformed)
        return stream.trailerBytes <= Self.headerRoom * limits.headerBytes
    }

    /// A frame was received whole, and was valid.
    func receiveFrame(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch header.type {
        case FrameTracker.Kind.headers:
            guard let stream = session.stream(header.stream_id) else { return }
            if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
                begin(stream, endsStream: endsStream)
            } else if endsStream {
                endBody(stream)
            }
        case FrameTracker.Kind.data where endsStream:
            guard let stream = session.stream(header.stream_id) else { return }
            endBody(stream)
        case FrameTracker.Kind.settings:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
                noteSettingsAcknowledged()
            } else {
                sawSettings = true
            }
        default:
            break
        }
    }

    private func begin(_ stream: HTTP2Stream, endsStream: Bool) {
        var section = section
        self.section = FieldSection()
        stream.hasEnded = endsStream
        do throws(WireError) {
            let request = try section.finish(endsStream: endsStream, peer: peer)
            begin(stream, request)
        } catch {
            refuse(stream, error, abort: .malformed)
        }
    }

    /// A head is complete: the handler decides.
    func begin(_ stream: HTTP2Stream, _ request: RequestHead) {
        stream.isHeadRequest = request.method == "HEAD"
        stream.mayAwaitContinue = request.expectsContinue
        stream.dropAllowance = limits.drain
        if case .known(let length) = request.body { stream.remaining = length }

        let disposition = handler.handle(request, exchange: stream)
        if case .none = stream.answer, stream.index != nil {
            switch disposition {
            case .discard: break
            case .accept(let sink): startSink(stream, sink, .pushing)
            case .acceptLater(let sink): startSink(stream, sink, .paused)
            }
        }
        continueIfAwaited(stream)
        finishBodyIfComplete(stream)
        updateClock(stream)
    }

    private func startSink(
        _ stream: HTTP2Stream, _ sink: any BodySink, _ delivery: HTTP2Stream.Delivery
    ) {
        stream.sink = sink
        stream.delivery = delivery
        sinks += 1
    }

    func takeSink(_ stream: HTTP2Stream) -> (any BodySink)? {
        guard let sink = stream.sink else { return nil }
        stream.sink = nil
        sinks -= 1
        return sink
    }

    func endSink(_ stream: HTTP2Stream, _ reason: BodyAbort) {
        takeSink(stream)?.abort(reason)
    }

    /// The sink wants the body, which the client may be holding back.
    func continueIfAwaited(_ stream: HTTP2Stream) {
        guard stream.mayAwaitContinue, case .pushing = stream.delivery else { return }
        stream.mayAwaitContinue = false
        session.submitContinue(stream: stream.id)
    }

    /// The client broke a rule or its time is over: answers that, unless there is an answer.
    func refuse(_ stream: HTTP2Stream, _ error: WireError, abort reason: BodyAbort) {
        let sink = takeSink(stream)
        stream.delivery = .dropping
        if case .none = stream.answer {
            give(stream, error.problem(limits).response())
        }
        sink?.abort(reason)
        stream.cancel()
    }

    /// A stream was closed, by both sides in order, or by a reset.
    func closeStream(_ id: Int32) {
        guard let stream = session.stream(id), let index = stream.index else { return }
        let last = streams.removeLast()
        if last !== stream {
            streams[index] = last
            last.index = index
        }
        stream.index = nil
        closed.note(id, stream.wasReset ? .reset : .ended)
        stream.body = AnswerBody()
        dropKept(stream, isClosed: true)
        endSink(stream, stream.wasMalformed ? .malformed : .disconnected)
        stream.cancel()
        guard streams.isEmpty else { return }
        streams = []
        idleSince = now
    }
}
