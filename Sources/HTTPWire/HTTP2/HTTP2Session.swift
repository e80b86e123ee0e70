import CNGHTTP2
import ServiceLimits

/// An nghttp2 server session: the one owner of the pointer, freed with it.
///
/// It does no input or output. nghttp2 calls the engine back from inside `receive` and `send`; the
/// engine may submit frames from there, but neither receive nor send. On the connection's lane
/// only.
final class HTTP2Session {
    /// `NGHTTP2_ERR_*` of the library's header.
    struct Failure: Error {
        let code: Int32
    }

    let pointer: OpaquePointer

    init(limits: Limits) {
        pointer = Self.withCallbacks { callbacks in
            Self.withOptions(limits) { options in
                var pointer: OpaquePointer?
                let code = nghttp2_session_server_new2(&pointer, callbacks, nil, options)
                guard code == 0, let pointer else { preconditionFailure("no memory: \(code)") }
                return pointer
            }
        }
    }

    deinit {
        nghttp2_session_del(pointer)
    }

    private static func withOptions(
        _ limits: Limits, _ body: (OpaquePointer) -> OpaquePointer
    ) -> OpaquePointer {
        var options: OpaquePointer?
        guard nghttp2_option_new(&options) == 0, let options else {
            preconditionFailure("no memory for options")
        }
        defer { nghttp2_option_del(options) }
        // The window is given back when the service has taken the bytes.
        nghttp2_option_set_no_auto_window_update(options, 1)
        // `ClosedStreams` remembers them in less memory.
        nghttp2_option_set_no_closed_streams(options, 1)
        // It counts the pieces in which the headers of CONTINUATION frames come, so a client whose
        // bytes come one by one would be refused. `FrameBudget` counts the frames.
        nghttp2_option_set_max_continuations(options, limits.headerBytes)
        // Resets are counted by `FrameBudget`, which forgets faster.
        nghttp2_option_set_stream_reset_rate_limit(
            options, UInt64(limits.frameCredit), UInt64(limits.frameCreditRate))
        return body(options)
    }

    // MARK: Input and output

    /// Works on all of `bytes`.
    func receive(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        let data = bytes.assumingMemoryBound(to: UInt8.self)
        let count = nghttp2_session_mem_recv(pointer, data.baseAddress, data.count)
        guard count >= 0 else { throw Failure(code: Int32(count)) }
        precondition(count == bytes.count, "nghttp2 paused though nobody asked it to")
    }

    /// The next bytes to send, valid until the next call; nil when there are none. Frames of
    /// bodies are handed to the engine instead.
    func send() throws(Failure) -> UnsafeRawBufferPointer? {
        var data: UnsafePointer<UInt8>?
        let count = nghttp2_session_mem_send(pointer, &data)
        guard count >= 0 else { throw Failure(code: Int32(count)) }
        return count == 0 ? nil : UnsafeRawBufferPointer(start: data, count: count)
    }

    var wantsRead: Bool { nghttp2_session_want_read(pointer) != 0 }
    var wantsWrite: Bool { nghttp2_session_want_write(pointer) != 0 }
    /// Frames that wait to be sent, bodies not counted.
    var queuedFrames: Int { nghttp2_session_get_outbound_queue_size(pointer) }

    // MARK: Frames to send

    func submitSettings(_ limits: Limits) {
        submitSettings([
            (NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams),
            (NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.initialWindow),
            (NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.headerBytes),
        ])
    }

    /// Lets the client send frames of this size. Not among the first settings: a stream begins with
    /// a window smaller than that, and a header block needs no such frames.
    func submitFrameSize(_ bytes: Int) {
        submitSettings([(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, bytes)])
    }

    private func submitSettings(_ settings: [(id: nghttp2_settings_id, value: Int)]) {
        let entries = settings.map { setting in
            nghttp2_settings_entry(
                settings_id: Int32(setting.id.rawValue), value: UInt32(setting.value))
        }
        check(
            nghttp2_submit_settings(
                pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count))
    }

    /// Opens the stream of a request that came over HTTP/1.1 (RFC 7540 section 3.2).
    ///
    /// - Returns: false when `settings` are no SETTINGS payload.
    func upgrade(settings: [UInt8], isHeadRequest: Bool) -> Bool {
        nghttp2_session_upgrade2(
            pointer, settings, settings.count, isHeadRequest ? 1 : 0, nil) == 0
    }

    /// The window of the connection, or of a stream, from now on.
    func setWindow(stream id: Int32, bytes: Int) {
        check(
            nghttp2_session_set_local_window_size(
                pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, Int32(bytes)))
    }

    /// Bytes of a stream's body were dealt with: the client may send as many again.
    func consume(stream id: Int32, _ count: Int) {
        check(nghttp2_session_consume(pointer, id, count))
    }

    /// As `consume`, for bytes that were given back to the connection's window before.
    func consumeStream(_ id: Int32, _ count: Int) {
        check(nghttp2_session_consume_stream(pointer, id, count))
    }

    /// As `consume`, but the stream's own window stays shut, or the stream is gone.
    func consumeConnection(_ count: Int) {
        check(nghttp2_session_consume_connection(pointer, count))
    }

    func submitReset(stream id: Int32, _ code: nghttp2_error_code) {
        check(
            nghttp2_submit_rst_stream(
                pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code.rawValue))
    }

    func submitPing() {
        check(nghttp2_submit_ping(pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil))
    }

    /// Tells the client that no stream after those that have come is served.
    func submitGoAway() {
        check(
            nghttp2_submit_goaway(
                pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue),
                nghttp2_session_get_last_proc_stream_id(pointer), NGHTTP2_NO_ERROR.rawValue, nil, 0)
        )
    }

    /// Tells the client to begin no more streams; those that are on their way are still served.
    func submitShutdownNotice() {
        check(nghttp2_submit_shutdown_notice(pointer))
    }

    /// Ends the session: a GOAWAY is the last thing it sends.
    ///
    /// Not to be called from inside `receive`: nghttp2 1.52 would go on with what is left of the
    /// bytes, and abort the process over a frame of a wrong size among them.
    func terminate(_ code: nghttp2_error_code) {
        check(nghttp2_session_terminate_session(pointer, code.rawValue))
    }

    func resumeData(stream id: Int32) {
        // There may be nothing to resume: the stream was not asked for data yet.
        _ = nghttp2_session_resume_data(pointer, id)
    }

    /// Bytes that the client lets us send now, on a stream that is open and on the connection.
    func sendWindow(stream id: Int32) -> Int {
        Int(
            min(
                nghttp2_session_get_stream_remote_window_size(pointer, id),
                nghttp2_session_get_remote_window_size(pointer)))
    }

    /// Bytes that the client may send now, on a stream that is open and on the connection.
    func receiveWindow(stream id: Int32) -> Int {
        Int(
            min(
                nghttp2_session_get_stream_local_window_size(pointer, id),
                nghttp2_session_get_local_window_size(pointer)))
    }

    /// Nothing that is submitted here can fail but for memory, or for our own bugs.
    func check(_ code: Int32) {
        precondition(code == 0, "nghttp2: \(code)")
    }
}
