import CNGHTTP2
import ServiceLimits

/// The engine that a session was attached to.
private func engine(_ user: UnsafeMutableRawPointer?) -> HTTP2Engine {
    guard let user else { preconditionFailure("a session without its engine") }
    return Unmanaged<HTTP2Engine>.fromOpaque(user).takeUnretainedValue()
}

private func frame(_ pointer: UnsafePointer<nghttp2_frame>?) -> UnsafePointer<nghttp2_frame> {
    guard let pointer else { preconditionFailure("a callback without its frame") }
    return pointer
}

private func buffer(_ pointer: UnsafePointer<UInt8>?, _ count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: pointer, count: count)
}

extension HTTP2Session {
    /// From now on nghttp2 calls `engine`, which must outlive every call of the session.
    func attach(_ engine: HTTP2Engine) {
        nghttp2_session_set_user_data(pointer, Unmanaged.passUnretained(engine).toOpaque())
    }

    /// Has `stream` handed to the engine with what concerns it; the engine keeps it alive.
    func attach(_ stream: HTTP2Stream) {
        check(
            nghttp2_session_set_stream_user_data(
                pointer, stream.id, Unmanaged.passUnretained(stream).toOpaque()))
    }

    /// The stream of this number that is attached.
    func stream(_ id: Int32) -> HTTP2Stream? {
        nghttp2_session_get_stream_user_data(pointer, id).map {
            Unmanaged<HTTP2Stream>.fromOpaque($0).takeUnretainedValue()
        }
    }

    static func withCallbacks(_ body: (OpaquePointer) -> OpaquePointer) -> OpaquePointer {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else {
            preconditionFailure("no memory for callbacks")
        }
        defer { nghttp2_session_callbacks_del(callbacks) }
        setReceiving(callbacks)
        setSending(callbacks)
        return body(callbacks)
    }

    private static func setReceiving(_ callbacks: OpaquePointer) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, user in
            guard let header else { preconditionFailure("a callback without its frame") }
            return engine(user).isInOrder(header.pointee)
                ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
        }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, pointer, user in
            engine(user).beginHeaders(frame(pointer))
            return 0
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, pointer, name, nameCount, value, valueCount, _, user in
            engine(user).receiveField(
                frame(pointer), name: buffer(name, nameCount), value: buffer(value, valueCount))
                ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
        // Without this nghttp2 drops invalid fields and goes on.
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) {
            _, _, _, _, _, _, _, _ in
            NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, pointer, user in
            engine(user).receiveFrame(frame(pointer))
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
            _, _, id, data, count, user in
            engine(user).receiveData(stream: id, buffer(data, count))
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, _, user in
            engine(user).closeStream(id)
            return 0
        }
    }

    private static func setSending(_ callbacks: OpaquePointer) {
        nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks) {
            _, _, _, connectionWindow, streamWindow, frameSize, user in
            let window = min(Int(connectionWindow), Int(streamWindow), Int(frameSize))
            return min(window, engine(user).limits.frameBytes)
        }
        nghttp2_session_callbacks_set_send_data_callback(callbacks) {
            _, pointer, header, count, source, user in
            engine(user).sendData(
                HTTP2Session.stream(source), header: buffer(header, 9), count: count)
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, pointer, user in
            engine(user).didSend(frame(pointer))
            return 0
        }
    }

    /// Submits the head of an answer, and has its body asked for if there is one.
    func submitResponse(_ stream: HTTP2Stream, _ list: FieldList, hasBody: Bool) {
        list.withFields { fields in
            guard hasBody else {
                check(
                    nghttp2_submit_response(
                        pointer, stream.id, fields.baseAddress, fields.count, nil))
                return
            }
            var provider = nghttp2_data_provider(
                source: nghttp2_data_source(ptr: Unmanaged.passUnretained(stream).toOpaque()),
                read_callback: { _, _, _, limit, flags, source, user in
                    HTTP2Session.supply(engine(user), source, limit, flags)
                })
            check(
                nghttp2_submit_response(
                    pointer, stream.id, fields.baseAddress, fields.count, &provider))
        }
    }

    private static func supply(
        _ engine: HTTP2Engine, _ source: UnsafePointer<nghttp2_data_source>?, _ limit: Int,
        _ flags: UnsafeMutablePointer<UInt32>?
    ) -> Int {
        switch engine.supplyData(stream(source), upTo: limit) {
        case .data(let count, let isLast)?:
            flags?.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            if isLast { flags?.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
            return count
        case .wait?: return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        case .failed?: return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        case nil: return Int(NGHTTP2_ERR_PAUSE.rawValue)
        }
    }

    /// `100 Continue`.
    func submitContinue(stream id: Int32) {
        FieldList(status: 100).withFields { fields in
            check(
                nghttp2_submit_headers(
                    pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, nil, fields.baseAddress,
                    fields.count, nil))
        }
    }

    private static func stream(_ source: UnsafePointer<nghttp2_data_source>?) -> HTTP2Stream {
        guard let source, let pointer = source.pointee.ptr else {
            preconditionFailure("a body without its stream")
        }
        return Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
    }
}
