"""HTTP/1.1 connections, one at a time, that send as much as they can."""

from attack import ENDED
from attacked import MODEL_HEAD, PATH, TYPE
from flood import flood
from link import IDLE, LEAVE, Burst

HOST = b"Host: polyak.test\r\n"
GET = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
AVERAGE = f"GET {PATH}/averages/main HTTP/1.1\r\n".encode() + HOST + b"\r\n"
UPLOAD = f"POST {PATH}/parameters HTTP/1.1\r\nContent-Type: {TYPE}\r\n".encode() + HOST
CHUNKED = UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n"
BARE = {"http2": False}


def repeated(data, count=256):
    while True:
        yield Burst(data * count, count)


@flood("HTTP/1.1 lawful requests", link=BARE)
def lawful(link):
    """No attack: what the service does for a busy client, to compare with."""
    sent = 0
    while True:
        while sent > link.answers:
            yield IDLE
        sent += 1
        yield Burst(GET, 1)


@flood("HTTP/1.1 pipelining", link=BARE)
def pipelining(link):
    return repeated(GET)


@flood("HTTP/1.1 pipelining, unread", link=BARE, reads=False)
def pipelining_unread(link):
    return repeated(GET)


@flood("HTTP/1.1 pipelined downloads, unread", link=BARE | {"receive_buffer": 4096}, reads=False)
def downloads_unread(link):
    return repeated(AVERAGE)


@flood("HTTP/1.1 pipelined requests for nothing", link=BARE)
def not_found(link):
    return repeated(b"GET /v1/sessions/none/averages/main HTTP/1.1\r\n" + HOST + b"\r\n")


@flood("HTTP/1.1 chunks of one byte with extensions", link=BARE)
def tiny_chunks(link):
    yield Burst(CHUNKED + b"%x\r\n%b\r\n" % (len(MODEL_HEAD), MODEL_HEAD), 0)
    yield from repeated(b"1;" + b"x" * 250 + b"\r\n\0\r\n")


@flood("HTTP/1.1 endless chunk extension", link=BARE, outcomes=(ENDED,), code="400")
def endless_extension(link):
    yield Burst(CHUNKED + b"1;", 0)
    yield from repeated(b"x" * 64)


@flood("HTTP/1.1 endless trailers", link=BARE, outcomes=(ENDED,))
def endless_trailers(link):
    yield Burst(CHUNKED + b"0\r\n", 0)
    yield from repeated(b"X-a: b\r\n")


@flood("HTTP/1.1 endless head", link=BARE, outcomes=(ENDED,), code="431")
def endless_head(link):
    yield Burst(b"GET /livez HTTP/1.1\r\n" + HOST, 0)
    yield from repeated(b"X-a: b\r\n")


@flood("HTTP/1.1 endless request line", link=BARE, outcomes=(ENDED,), code="414")
def endless_line(link):
    yield Burst(b"GET /", 0)
    yield from repeated(b"x" * 64)


@flood("HTTP/1.1 body beyond the limit", link=BARE, outcomes=(ENDED,), code="413")
def too_large(link):
    """A tebibyte and a byte: refused before it is read, though much of it is sent."""
    yield Burst(UPLOAD + b"Content-Length: 1099511627777\r\n\r\n", 1)
    yield from repeated(bytes(1 << 16), 1)


@flood("HTTP/1.1 one request per connection", link=BARE, outcomes=(ENDED,), code="200")
def churn(link):
    yield Burst(b"GET /livez HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 1)


@flood("HTTP/1.1 connections reset at once", link=BARE)
def reset_at_once(link):
    yield LEAVE


@flood("HTTP/1.1 uploads begun and reset", link=BARE)
def reset_uploads(link):
    """Each takes its place in the session's queue first."""
    yield Burst(UPLOAD + b"Content-Length: 100000\r\n\r\n" + MODEL_HEAD, 1)
    yield LEAVE
