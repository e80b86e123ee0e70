"""What RFC 9113 asks of a server frame by frame, in sections 3 to 7.

Each case names its clause, what is sent after both prefaces, and what must come of it.
"""

import socket

import pytest

import certificates
from harness import Service
from http2_frames import *
from named import named
from wire import PATIENCE

pytestmark = pytest.mark.once("frames of HTTP/2, whatever the others speak")

END = END_HEADERS | END_STREAM
UNKNOWN = frame(0xB7, 0xFF, 0, b"eight by")


def opened(p, *more):
    """A request whose body is still to come."""
    return [p.post(), *more]


def asked(p, *more):
    """A request that is complete; with a window of 0 its answer cannot end the stream."""
    return [settings((INITIAL_WINDOW_SIZE, 0)), p.get(), *more]


def in_block(p, *between):
    """Frames where only a CONTINUATION may stand."""
    block = p.block(*p.fields())
    return [headers(1, block[:4], END_STREAM), *between, continuation(1, block[4:])]


def padded(kind, stream, content, padding, flags=0, said=None):
    said = padding if said is None else said
    return frame(kind, PADDED | flags, stream, bytes([said]) + content + bytes(padding))


IDLE = [
    ("5.1 idle: DATA", lambda p: [data(1, b"test", END_STREAM)], refused(PROTOCOL_ERROR)),
    ("5.1 idle: RST_STREAM", lambda p: [rst_stream(1)], refused(PROTOCOL_ERROR)),
    ("5.1 idle: WINDOW_UPDATE", lambda p: [window_update(1, 100)], refused(PROTOCOL_ERROR)),
    ("5.1 idle: CONTINUATION", lambda p: [continuation(1, p.block(*p.fields()))],
     refused(PROTOCOL_ERROR)),
    ("5.1 idle: PRIORITY", lambda p: [priority(1, weight=256)], accepted),
]

HALF_CLOSED = [
    ("5.1 half-closed (remote): DATA", lambda p: asked(p, data(1, b"test", END_STREAM)),
     reset(STREAM_CLOSED)),
    ("5.1 half-closed (remote): empty DATA", lambda p: asked(p, data(1, b"", END_STREAM)),
     reset(STREAM_CLOSED)),
    ("5.1 half-closed (remote): HEADERS", lambda p: [*asked(p), p.get()], reset(STREAM_CLOSED)),
    ("5.1 half-closed (remote): CONTINUATION",
     lambda p: [*asked(p), continuation(1, p.block(("x", "y")))],
     reset(STREAM_CLOSED, PROTOCOL_ERROR)),
    ("5.1 half-closed (remote): DATA, while the answer may flow",
     lambda p: [p.get(), data(1, b"test", END_STREAM)], reset(STREAM_CLOSED)),
    ("5.1 half-closed (remote): HEADERS, while the answer may flow",
     lambda p: [p.get(5), p.get(5)], reset(STREAM_CLOSED, stream=5)),
    ("5.1 half-closed (remote): DATA after POST",
     lambda p: [p.get(method="POST"), data(1, b"test", END_STREAM)], reset(STREAM_CLOSED)),
    ("5.1 half-closed (remote): WINDOW_UPDATE",
     lambda p: asked(p, window_update(1, 1 << 20)), answered(200)),
    ("5.1 half-closed (remote): PRIORITY",
     lambda p: asked(p, priority(1, weight=256), window_update(1, 1 << 20)), answered(200)),
    ("5.1 half-closed (remote): RST_STREAM", lambda p: [p.get(), rst_stream(1)], in_order),
    ("5.1 half-closed (remote): RST_STREAM, of an answer that cannot flow",
     lambda p: asked(p, rst_stream(1)), in_order),
]

RESET = [
    ("5.1 closed by RST_STREAM: DATA",
     lambda p: [p.get(flags=END_HEADERS), rst_stream(1), data(1, b"test", END_STREAM)],
     reset(STREAM_CLOSED)),
    ("5.1 closed by RST_STREAM: HEADERS",
     lambda p: [p.get(flags=END_HEADERS), rst_stream(1), p.get()], reset(STREAM_CLOSED)),
    ("5.1 closed by RST_STREAM: CONTINUATION",
     lambda p: [p.get(flags=END_HEADERS), rst_stream(1), continuation(1, p.block(("x", "y")))],
     reset(STREAM_CLOSED, PROTOCOL_ERROR)),
    ("5.1 closed by RST_STREAM: PRIORITY", lambda p: opened(p, rst_stream(1), priority(1)),
     accepted),
    ("5.1 closed by RST_STREAM: WINDOW_UPDATE",
     lambda p: opened(p, rst_stream(1), window_update(1, 10)), accepted),
    ("5.1 closed by RST_STREAM: RST_STREAM", lambda p: opened(p, rst_stream(1), rst_stream(1)),
     accepted),
]

# Sent once the answer on stream 1 is complete.
CLOSED = [
    ("5.1 closed: DATA", lambda p: [data(1, b"test", END_STREAM)], reset(STREAM_CLOSED)),
    ("5.1 closed: HEADERS", lambda p: [p.get()], refused(STREAM_CLOSED)),
    ("5.1 closed: CONTINUATION", lambda p: [continuation(1, p.block(("x", "y")))],
     refused(STREAM_CLOSED, PROTOCOL_ERROR)),
    ("5.1 closed: PRIORITY", lambda p: [priority(1, weight=256)], accepted),
    ("5.1 closed: WINDOW_UPDATE", lambda p: [window_update(1, 10)], accepted),
    ("5.1 closed: RST_STREAM", lambda p: [rst_stream(1)], accepted),
    ("5.1.1 closed by a later stream: HEADERS", lambda p: [p.get(7), p.get(5)],
     refused(PROTOCOL_ERROR, STREAM_CLOSED)),
    ("5.1.1 a further stream", lambda p: [p.get(3)], answered(200, stream=3)),
    ("5.1.1 a far stream", lambda p: [p.get(2**31 - 1)], answered(200, stream=2**31 - 1)),
]

FRAMES = [
    ("4.1 a frame of an unknown type", lambda p: [UNKNOWN], accepted),
    ("5.5 a frame of an unknown type on an open stream",
     lambda p: [p.post(), frame(0xB7, 0, 1, b"x"), data(1, b"x", END_STREAM)], answered(200, 404)),
    ("5.5 a frame of an unknown type on an idle stream", lambda p: [frame(0xB7, 0, 9)], accepted),
    ("4.1 flags that mean nothing", lambda p: [ping(flags=0x16)], accepted),
    ("4.1 flags that mean nothing, of a HEADERS frame",
     lambda p: [p.get(flags=END | 0x42)], answered(200)),
    ("4.1 the reserved bit", lambda p: [ping(stream=1 << 31)], accepted),
    ("4.1 the reserved bit of a stream", lambda p: [p.get(1 | 1 << 31)], answered(200)),
    ("4.2 DATA of 16,384 bytes",
     lambda p: [p.post(), data(1, bytes(16_384), END_STREAM)], answered(200, 404)),
    ("4.2 DATA as long as is announced",
     lambda p: [p.post(), data(1, bytes(p.settings.get(MAX_FRAME_SIZE, 16_384)), END_STREAM)],
     answered(200, 404)),
    ("4.2 DATA longer than is announced",
     lambda p: [p.post(), data(1, bytes(p.settings.get(MAX_FRAME_SIZE, 16_384) + 1), END_STREAM)],
     reset(FRAME_SIZE_ERROR)),
    # A field section of this size is refused whatever it comes in: 4.2 wants it to be by its frame.
    ("4.2 HEADERS longer than 16,384 bytes",
     lambda p: [p.get(1, *[(f"x-{n}", "x" * 4000) for n in range(5)])], refused(FRAME_SIZE_ERROR)),
    ("4.2 CONTINUATION longer than 16,384 bytes", lambda p: [
        headers(1, p.block(*p.fields()), END_STREAM),
        continuation(1, p.encoder.encode([(f"x-{n}", "x" * 4000) for n in range(5)], False))],
     refused(FRAME_SIZE_ERROR)),
    ("4.2 SETTINGS longer than is announced", lambda p: [
        frame(SETTINGS, payload=bytes(6 * (p.settings.get(MAX_FRAME_SIZE, 16_384) // 6 + 1)))],
     refused(FRAME_SIZE_ERROR)),
    ("4.3 a field block cut off", lambda p: [headers(1, b"\x40")], refused(COMPRESSION_ERROR)),
    ("4.3 PRIORITY inside a field block", lambda p: in_block(p, priority(1)),
     refused(PROTOCOL_ERROR)),
    ("4.3 HEADERS of another stream inside a field block",
     lambda p: in_block(p, headers(3, b"\x82")), refused(PROTOCOL_ERROR)),
    ("4.3 HEADERS of the same stream inside a field block",
     lambda p: in_block(p, headers(1, b"\x82")), refused(PROTOCOL_ERROR)),
    ("4.3 DATA inside a field block", lambda p: in_block(p, data(1, b"x")),
     refused(PROTOCOL_ERROR)),
    ("4.3 RST_STREAM inside a field block", lambda p: in_block(p, rst_stream(1)),
     refused(PROTOCOL_ERROR)),
    ("4.3 SETTINGS inside a field block", lambda p: in_block(p, settings()),
     refused(PROTOCOL_ERROR)),
    ("4.3 PING inside a field block", lambda p: in_block(p, ping()), refused(PROTOCOL_ERROR)),
    ("4.3 GOAWAY inside a field block", lambda p: in_block(p, goaway()),
     refused(PROTOCOL_ERROR)),
    ("4.3 WINDOW_UPDATE inside a field block", lambda p: in_block(p, window_update(0, 1)),
     refused(PROTOCOL_ERROR)),
    ("5.5 an unknown frame inside a field block", lambda p: in_block(p, UNKNOWN),
     refused(PROTOCOL_ERROR)),
    ("6.10 CONTINUATION of another stream inside a field block",
     lambda p: in_block(p, continuation(3, b"\x82")), refused(PROTOCOL_ERROR)),
    ("5.1.1 an even stream", lambda p: [p.get(2)], refused(PROTOCOL_ERROR)),
    ("5.1.1 a stream below the last", lambda p: [p.get(5), p.get(3)], refused(PROTOCOL_ERROR)),
]

BY_TYPE = [
    ("6.1 DATA", lambda p: [p.post(), data(1, b"test", END_STREAM)], answered(200, 404)),
    ("6.1 DATA in two frames",
     lambda p: [p.post(), data(1, b"test"), data(1, b"test", END_STREAM)], answered(200, 404)),
    ("6.1 DATA with padding",
     lambda p: [p.post(), padded(DATA, 1, b"test", 6, END_STREAM)], answered(200, 404)),
    ("6.1 DATA of padding alone",
     lambda p: [p.post(), padded(DATA, 1, b"", 255, END_STREAM)], answered(200, 404)),
    ("6.1 DATA on stream 0", lambda p: [data(0, b"test", END_STREAM)], refused(PROTOCOL_ERROR)),
    ("6.1 DATA with padding longer than the rest",
     lambda p: [p.post(1, ("content-length", "4")), padded(DATA, 1, b"test", 0, END_STREAM, 6)],
     refused(PROTOCOL_ERROR)),
    ("6.1 DATA with padding as long as the payload",
     lambda p: [p.post(), padded(DATA, 1, b"test", 0, END_STREAM, 5)], refused(PROTOCOL_ERROR)),
    ("6.1 DATA with the flag for padding, empty",
     lambda p: [p.post(), frame(DATA, PADDED | END_STREAM, 1)],
     refused(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ("6.2 HEADERS", lambda p: [p.get()], answered(200)),
    ("6.2 HEADERS with padding",
     lambda p: [padded(HEADERS, 1, p.block(*p.fields()), 8, END)], answered(200)),
    ("6.2 HEADERS with a priority",
     lambda p: [headers(1, dependency(0, 256) + p.block(*p.fields()), END | HAS_PRIORITY)],
     answered(200)),
    ("6.2 HEADERS with padding and a priority",
     lambda p: [padded(HEADERS, 1, dependency(0, 1, True) + p.block(*p.fields()), 3,
                       END | HAS_PRIORITY)], answered(200)),
    ("6.2 HEADERS on stream 0", lambda p: [p.get(0)], refused(PROTOCOL_ERROR)),
    ("6.2 HEADERS with padding longer than the rest",
     lambda p: [padded(HEADERS, 1, b"\x82\x84\x86", 0, END, 4)], refused(PROTOCOL_ERROR)),
    ("6.2 HEADERS too short for its priority",
     lambda p: [headers(1, b"\0\0\0\0", END | HAS_PRIORITY)],
     refused(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ("RFC 7540 5.3.1 HEADERS that depend on themselves",
     lambda p: [headers(1, dependency(1) + p.block(*p.fields()), END | HAS_PRIORITY)],
     reset(PROTOCOL_ERROR)),
    ("RFC 7540 5.3.1 PRIORITY that depends on itself", lambda p: [priority(1, on=1)],
     reset(PROTOCOL_ERROR)),
    ("6.3 PRIORITY of weight 1", lambda p: [priority(1, weight=1), p.get()], answered(200)),
    ("6.3 PRIORITY of weight 256", lambda p: [priority(1, weight=256), p.get()], answered(200)),
    ("6.3 PRIORITY with a dependency", lambda p: [priority(3, on=1, weight=1), p.get()],
     answered(200)),
    ("6.3 PRIORITY that is exclusive", lambda p: [priority(1, weight=1, exclusive=True), p.get()],
     answered(200)),
    ("6.3 PRIORITY of a higher idle stream", lambda p: [priority(3, weight=256), p.get()],
     answered(200)),
    ("6.3 PRIORITY on stream 0", lambda p: [priority(0)], refused(PROTOCOL_ERROR)),
    ("6.3 PRIORITY of 4 bytes", lambda p: asked(p, frame(PRIORITY, 0, 1, bytes(4))),
     reset(FRAME_SIZE_ERROR)),
    ("6.3 PRIORITY of 6 bytes", lambda p: [frame(PRIORITY, 0, 1, bytes(6))],
     reset(FRAME_SIZE_ERROR)),
    ("6.4 RST_STREAM", lambda p: [p.get(flags=END_HEADERS), rst_stream(1)], in_order),
    ("6.4 RST_STREAM on stream 0", lambda p: [rst_stream(0)], refused(PROTOCOL_ERROR)),
    ("6.4 RST_STREAM on an idle stream", lambda p: [p.get(1), rst_stream(3)],
     refused(PROTOCOL_ERROR)),
    ("6.4 RST_STREAM of 3 bytes", lambda p: asked(p, frame(RST_STREAM, 0, 1, bytes(3))),
     refused(FRAME_SIZE_ERROR)),
    ("6.4 RST_STREAM of 5 bytes", lambda p: asked(p, frame(RST_STREAM, 0, 1, bytes(5))),
     refused(FRAME_SIZE_ERROR)),
    ("7 RST_STREAM with an unknown code", lambda p: opened(p, rst_stream(1, 0xFF)), accepted),
    ("8.4 PUSH_PROMISE from a client",
     lambda p: [frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\3" + p.block(*p.fields()))],
     refused(PROTOCOL_ERROR)),
    ("8.4 PUSH_PROMISE on an open stream",
     lambda p: opened(p, frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x82")),
     refused(PROTOCOL_ERROR)),
    ("6.7 PING", lambda p: [ping(b"\0\1\2\3\4\5\6\7")], ponged(b"\0\1\2\3\4\5\6\7")),
    ("6.7 PING with ACK", lambda p: [ping(b"unwanted", ACK), ping(b"welcomed")],
     ponged(b"welcomed")),
    ("6.7 PING on a stream", lambda p: [ping(stream=1)], refused(PROTOCOL_ERROR)),
    ("6.7 PING on a stream that is open", lambda p: opened(p, ping(stream=1)),
     refused(PROTOCOL_ERROR)),
    ("6.7 PING of 6 bytes", lambda p: [ping(bytes(6))], refused(FRAME_SIZE_ERROR)),
    ("6.7 PING of 9 bytes", lambda p: [ping(bytes(9))], refused(FRAME_SIZE_ERROR)),
    ("6.8 GOAWAY", lambda p: [goaway(debug=b"enough")], closed),
    ("6.8 GOAWAY on a stream", lambda p: [goaway(stream=1)], refused(PROTOCOL_ERROR)),
    ("6.8 GOAWAY of 7 bytes", lambda p: [frame(GOAWAY, payload=bytes(7))],
     refused(FRAME_SIZE_ERROR)),
    ("7 GOAWAY with an unknown code", lambda p: [goaway(code=0xFF)], closed),
    ("6.10 CONTINUATION", lambda p: in_block(p), answered(200)),
    ("6.10 CONTINUATION without content", lambda p: [
        headers(1, p.block(*p.fields()), END_STREAM), continuation(1, b"")], answered(200)),
    ("6.10 several CONTINUATION", lambda p: [
        headers(1, p.block(*p.fields()), END_STREAM), continuation(1, p.block(("x", "1")), 0),
        continuation(1, p.block(("y", "2")))], answered(200)),
    ("6.10 a byte in each CONTINUATION", lambda p: [
        headers(1, b"", END_STREAM),
        *[continuation(1, bytes([byte]), 0) for byte in b"\x82\x84\x86"],
        continuation(1, p.block((":authority", "h")))], answered(200)),
    ("6.10 CONTINUATION, then DATA", lambda p: [
        headers(1, p.block(*p.fields(method="POST")), 0), continuation(1, p.block(("x", "1")), 0),
        data(1, b"test", END_STREAM)], refused(PROTOCOL_ERROR)),
    ("6.10 CONTINUATION on stream 0", lambda p: [
        headers(1, p.block(*p.fields()), END_STREAM), continuation(0, p.block(("x", "1")))],
     refused(PROTOCOL_ERROR)),
    ("6.10 CONTINUATION after END_HEADERS",
     lambda p: [*asked(p), continuation(1, p.block(("x", "1")))], refused(PROTOCOL_ERROR)),
    ("6.10 CONTINUATION after a last CONTINUATION",
     lambda p: [settings((INITIAL_WINDOW_SIZE, 0)), *in_block(p), continuation(1, b"")],
     refused(PROTOCOL_ERROR)),
    ("6.10 CONTINUATION after DATA", lambda p: [
        *opened(p, data(1, b"test")), continuation(1, p.block(("x", "1")))],
     refused(PROTOCOL_ERROR)),
    ("6.10 DATA inside a field block, and CONTINUATION after it", lambda p: [
        headers(1, p.block(*p.fields(method="POST")), 0), data(1, b"test", END_STREAM),
        continuation(1, p.block(("x", "1")), 0), continuation(0, b"")], refused(PROTOCOL_ERROR)),
]

SETTINGS_FRAMES = [
    ("6.5 SETTINGS of every kind", lambda p: [settings(
        (HEADER_TABLE_SIZE, 4096), (ENABLE_PUSH, 1), (MAX_CONCURRENT_STREAMS, 100),
        (INITIAL_WINDOW_SIZE, 65_535), (MAX_FRAME_SIZE, 16_384), (MAX_HEADER_LIST_SIZE, 100))],
     acknowledged(1)),
    ("6.5 SETTINGS without content", lambda p: [settings()], acknowledged(1)),
    ("6.5.3 three SETTINGS", lambda p: [settings((ENABLE_PUSH, 0))] * 3, acknowledged(3)),
    ("6.5 an acknowledgement with content", lambda p: [frame(SETTINGS, ACK, 0, b"\0")],
     refused(FRAME_SIZE_ERROR)),
    ("6.5 an acknowledgement with settings", lambda p: [frame(SETTINGS, ACK, 0, bytes(6))],
     refused(FRAME_SIZE_ERROR)),
    ("6.5 SETTINGS on a stream", lambda p: [frame(SETTINGS, 0, 1, b"\0\3\0\0\0\x64")],
     refused(PROTOCOL_ERROR)),
    ("6.5 SETTINGS of 5 bytes", lambda p: [frame(SETTINGS, 0, 0, bytes(5))],
     refused(FRAME_SIZE_ERROR)),
    ("6.5 SETTINGS of 9 bytes", lambda p: [frame(SETTINGS, 0, 0, bytes(9))],
     refused(FRAME_SIZE_ERROR)),
    ("6.5.2 ENABLE_PUSH of 2", lambda p: [settings((ENABLE_PUSH, 2))], refused(PROTOCOL_ERROR)),
    ("6.5.2 INITIAL_WINDOW_SIZE of 2^31", lambda p: [settings((INITIAL_WINDOW_SIZE, 2**31))],
     refused(FLOW_CONTROL_ERROR)),
    ("6.5.2 INITIAL_WINDOW_SIZE of 2^32-1",
     lambda p: [settings((INITIAL_WINDOW_SIZE, 2**32 - 1))], refused(FLOW_CONTROL_ERROR)),
    ("6.5.2 MAX_FRAME_SIZE of 16,383", lambda p: [settings((MAX_FRAME_SIZE, 16_383))],
     refused(PROTOCOL_ERROR)),
    ("6.5.2 MAX_FRAME_SIZE of 2^24", lambda p: [settings((MAX_FRAME_SIZE, 2**24))],
     refused(PROTOCOL_ERROR)),
    ("6.5.2 MAX_FRAME_SIZE of 2^24-1", lambda p: [settings((MAX_FRAME_SIZE, 2**24 - 1)), p.get()],
     answered(200)),
    ("6.5.2 an unknown setting", lambda p: [settings((0xFF, 1), (0x0A0A, 2**32 - 1))],
     acknowledged(1)),
    ("6.5.2 no streams for the server to open",
     lambda p: [settings((MAX_CONCURRENT_STREAMS, 0)), p.get()], answered(200)),
    ("7541 4.2 no table for the server's coder",
     lambda p: [settings((HEADER_TABLE_SIZE, 0)), p.get()], answered(200)),
    ("7541 4.2 a large table for the server's coder",
     lambda p: [settings((HEADER_TABLE_SIZE, 2**32 - 1)), p.get()], answered(200)),
]

WINDOWS = [
    ("6.9 WINDOW_UPDATE of the connection", lambda p: [window_update(0, 1)], accepted),
    ("6.9 WINDOW_UPDATE of a stream", lambda p: [p.get(), window_update(1, 1)], answered(200)),
    ("6.9 WINDOW_UPDATE by 0 of the connection", lambda p: [window_update(0, 0)],
     refused(PROTOCOL_ERROR)),
    ("6.9 WINDOW_UPDATE by 0 of a stream",
     lambda p: [p.get(flags=END_HEADERS), window_update(1, 0)], reset(PROTOCOL_ERROR)),
    ("6.9 WINDOW_UPDATE of 3 bytes", lambda p: [frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")],
     refused(FRAME_SIZE_ERROR)),
    ("6.9 WINDOW_UPDATE of 5 bytes", lambda p: opened(p, frame(WINDOW_UPDATE, 0, 1, bytes(5))),
     refused(FRAME_SIZE_ERROR)),
    ("6.9 the reserved bit of WINDOW_UPDATE", lambda p: [window_update(0, 1 | 1 << 31)], accepted),
    ("6.9.1 a window of the connection beyond 2^31-1",
     lambda p: [window_update(0, LARGEST_WINDOW)] * 2, refused(FLOW_CONTROL_ERROR)),
    ("6.9.1 a window of the connection one beyond 2^31-1",
     lambda p: [window_update(0, LARGEST_WINDOW - 65_535), window_update(0, 1)],
     refused(FLOW_CONTROL_ERROR)),
    ("6.9.1 a window of the connection of 2^31-1",
     lambda p: [window_update(0, LARGEST_WINDOW - 65_535)], accepted),
    ("6.9.1 a window of a stream beyond 2^31-1", lambda p: [
        p.get(flags=END_HEADERS), *[window_update(1, LARGEST_WINDOW)] * 2],
     stream_reset(FLOW_CONTROL_ERROR)),
    ("6.9.2 a window that SETTINGS raise beyond 2^31-1", lambda p: opened(
        p, window_update(1, LARGEST_WINDOW - 65_535), settings((INITIAL_WINDOW_SIZE, 2**31 - 1))),
     reset(FLOW_CONTROL_ERROR)),
]

CASES = [*IDLE, *HALF_CLOSED, *RESET, *FRAMES, *BY_TYPE, *SETTINGS_FRAMES, *WINDOWS]


@pytest.mark.parametrize("cut", ["whole", "frames", "bytes"])
@named("frames,look", CASES)
def test_frames(http2, frames, look, cut):
    http2().undergo(frames, look, cut)


@named("frames,look", CLOSED)
def test_frames_after_the_answer(http2, frames, look):
    with http2() as peer:
        peer.start()
        peer.send(peer.get())
        assert peer.answer()[0] == 200
        peer.send(*frames(peer))
        look(peer)


# Some of each kind over TLS, where records cut the frames anew and the end is a close_notify.
@pytest.fixture(scope="module")
def tls_service():
    running = Service(tls=True)
    yield running
    running.stop()


OVER_TLS = [IDLE[0], IDLE[4], HALF_CLOSED[2], RESET[1], *FRAMES[8:12], FRAMES[14], *BY_TYPE[:6],
            *SETTINGS_FRAMES[:4], *WINDOWS[:3]]


def over_tls(service):
    connected = socket.create_connection(("127.0.0.1", service.tls_port), PATIENCE)
    return Peer(certificates.over_tls(connected, certificates.shared()[0], "h2"), "https")


@pytest.mark.parametrize("cut", ["whole", "frames", "bytes"])
@named("frames,look", OVER_TLS)
def test_frames_over_tls(tls_service, frames, look, cut):
    over_tls(tls_service).undergo(frames, look, cut)


@pytest.mark.parametrize("said", [b"INVALID PREFACE OF CONNECTION\r\n\r\n", PREFACE[:10] + b"x",
                                  b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", bytes(100)])
def test_who_agreed_to_http_2_and_does_not_speak_it_is_left(tls_service, said):
    with over_tls(tls_service) as peer:
        peer.send(said)
        assert all(each.kind == GOAWAY for each in peer.rest())


# The connection preface (section 3.4).
def test_the_servers_first_frame_is_its_settings(http2):
    with http2() as peer:
        peer.send(PREFACE + settings((INITIAL_WINDOW_SIZE, 65_535)))
        first = peer.frame()
        assert (first.kind, first.flags, first.stream) == (SETTINGS, 0, 0), first
        size = first.settings.get(MAX_FRAME_SIZE, 16_384)
        assert 16_384 <= size <= 2**24 - 1
        assert size <= min(65_535, first.settings.get(INITIAL_WINDOW_SIZE, 65_535)), \
            "a frame of the announced size could not be sent at once"


@pytest.mark.parametrize("at", range(1, len(PREFACE) + 9))
def test_the_preface_may_come_in_two_pieces(http2, at):
    with http2() as peer:
        whole = PREFACE + settings()
        peer.send(whole[:at], whole[at:])
        assert peer.frame().kind == SETTINGS
        peer.send(frame(SETTINGS, ACK), peer.get())
        assert peer.answer()[0] == 200


def test_everything_may_come_at_once(http2):
    with http2() as peer:
        peer.send(PREFACE + settings() + frame(SETTINGS, ACK) + peer.get() + peer.get(3) + ping())
        assert {peer.answer(1)[0]} == {200}


@pytest.mark.parametrize("first", [
    ping(), window_update(0, 1), headers(1, b"\x82\x84\x86"), frame(0xB7), data(1, b"x"),
    b"\0" * 9, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"],
    ids=["PING", "WINDOW_UPDATE", "HEADERS", "unknown", "DATA", "zeros", "HTTP/1.1"])
def test_a_preface_without_settings_ends_the_connection(http2, first):
    with http2() as peer:
        peer.send(PREFACE, first)
        assert {each.code for each in peer.rest() if each.kind == GOAWAY} <= \
            {PROTOCOL_ERROR, FRAME_SIZE_ERROR}


@pytest.mark.parametrize("at", range(14, len(PREFACE)))
def test_a_wrong_preface_ends_the_connection(http2, at):
    with http2() as peer:
        wrong = bytearray(PREFACE)
        wrong[at] ^= 0x20
        peer.send(bytes(wrong) + settings())
        while peer.socket.recv(1 << 16):
            pass


def test_a_preface_of_nothing_we_know_ends_the_connection(http2):
    with http2() as peer:
        peer.send(b"INVALID PREFACE OF CONNECTION\r\n\r\n")
        while peer.socket.recv(1 << 16):
            pass


# Streams at once (5.1.2), and errors of the connection (5.4.1).
def test_a_stream_beyond_the_announced_number_is_refused_and_the_others_are_answered(http2):
    with http2() as peer:
        peer.start()
        most = peer.settings[MAX_CONCURRENT_STREAMS]
        peer.send(settings((INITIAL_WINDOW_SIZE, 0)),
                  *[peer.get(1 + 2 * n) for n in range(most + 1)])
        last = peer.until(lambda each: each.kind in (RST_STREAM, GOAWAY))[-1]
        assert last.code in (REFUSED_STREAM, PROTOCOL_ERROR)
        if last.kind == GOAWAY:
            # Allowed by 5.4.2: the client knows that it was told how many streams there may be.
            return
        assert last.stream == 1 + 2 * most
        peer.send(window_update(0, 1 << 28), settings((INITIAL_WINDOW_SIZE, 1 << 20)))
        ended = set()
        while len(ended) < most:
            each = peer.frame()
            assert each.kind in (HEADERS, DATA, SETTINGS), each
            ended |= {each.stream} if each.ends_stream else set()


def test_goaway_names_the_last_stream_that_was_begun(http2):
    with http2() as peer:
        peer.start()
        peer.send(peer.get(7))
        peer.answer(7)
        peer.send(ping(stream=3))
        last = peer.until(lambda each: each.kind == GOAWAY)[-1]
        assert last.code == PROTOCOL_ERROR and int.from_bytes(last.payload[:4], "big") == 7
        assert peer.rest() == []


@pytest.mark.parametrize("size", [1, 1 << 20, 8 << 20])
def test_a_client_that_goes_on_sending_after_its_error_still_reads_why(http2, size):
    with http2() as peer:
        peer.start()
        peer.send(ping(stream=3))
        try:
            peer.send(data(1, bytes(16_384)) * (size // 16_384 + 1))
        except OSError as error:
            raise AssertionError("reset while sending") from error
        refused(PROTOCOL_ERROR)(peer)


def test_a_request_in_progress_is_answered_after_goaway(http2):
    with http2() as peer:
        peer.start()
        peer.send(*asked(peer, goaway()), window_update(1, 1 << 20))
        assert peer.answer()[0] == 200
        peer.rest()


# Windows (6.9).
def test_content_comes_by_the_windows_size(http2):
    with http2() as peer:
        peer.start()
        peer.send(settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)), peer.get())
        first = peer.until(lambda each: each.kind == DATA)[-1]
        assert (len(first.payload), first.ends_stream) == (1, False)
        peer.pong()
        for increment in (1, 2, 5):
            peer.send(window_update(1, increment))
            next = peer.until(lambda each: each.kind == DATA)[-1]
            assert (len(next.payload), next.ends_stream) == (increment, False)
        assert not [each for each in peer.pong() if each.kind == DATA]


def test_a_change_of_the_initial_window_reaches_streams_that_are_open(http2):
    with http2() as peer:
        peer.start()
        peer.send(*asked(peer))
        assert not [each for each in peer.pong() if each.kind == DATA]
        peer.send(settings((INITIAL_WINDOW_SIZE, 1)))
        assert len(peer.until(lambda each: each.kind == DATA)[-1].payload) == 1


def test_a_window_may_become_negative(http2):
    with http2() as peer:
        peer.start()
        peer.send(settings((INITIAL_WINDOW_SIZE, 3)), peer.get())
        assert len(peer.until(lambda each: each.kind == DATA)[-1].payload) == 3
        peer.send(settings((INITIAL_WINDOW_SIZE, 2)), window_update(1, 1))
        assert not [each for each in peer.pong() if each.kind == DATA]
        peer.send(window_update(1, 1))
        assert len(peer.until(lambda each: each.kind == DATA)[-1].payload) == 1


def test_the_connections_window_holds_for_all_streams(http2):
    with http2() as peer:
        peer.start((INITIAL_WINDOW_SIZE, 1 << 20))
        got, stream, ended = 0, -1, True
        while got < 65_535:
            if ended:
                stream += 2
                peer.send(peer.get(stream))
            each = peer.frame()
            got += len(each.payload) if each.kind == DATA else 0
            ended = each.ends_stream
        assert got == 65_535
        if not ended:
            peer.pong()
            peer.send(window_update(0, 1 << 20))
            assert peer.until(lambda each: each.stream == stream and each.ends_stream)
