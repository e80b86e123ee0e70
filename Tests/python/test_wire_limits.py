"""Limits of heads, chunk extensions and trailers: one below, at, and one above."""

import pytest

from http2_frames import END_HEADERS, END_STREAM, continuation, data, headers

pytestmark = pytest.mark.once("both versions of HTTP, each by its bytes")

LINE = FIELD = TRAILERS = 8 * 1024
ALL, FIELDS, EXTENSION = 32 * 1024, 100, 256


def one_field(excess):
    return [("x", "y" * (FIELD + excess - len("x: ")))]


def all_fields(excess):
    # The host is a field too, of either version.
    room = ALL - len("host: polyak.test") + excess
    filler = [(f"x{n}", "y" * (8000 - len("x0: "))) for n in range(4)]
    return [*filler, ("z", "y" * (room - 4 * 8000 - len("z: ")))]


def number_of_fields(excess):
    return [(f"x{n}", "y") for n in range(FIELDS - 1 + excess)]


@pytest.mark.parametrize("excess", [-1, 0, 1])
@pytest.mark.parametrize("version", [1, 2])
def test_the_request_line(service, http2, excess, version):
    if version == 1:
        target = "/" + "a" * (LINE + excess - len("GET / HTTP/1.1"))
        with service.raw() as raw:
            raw.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            answer = raw.answer()
            assert answer.status == (414 if excess > 0 else 404)
            if excess > 0:
                assert str(LINE) in answer.problem(414, "uri-too-long")["detail"]
    else:
        with http2() as peer:
            peer.start().send(peer.get(path="/" + "a" * (LINE + excess - 1)))
            assert peer.answer()[0] == (414 if excess > 0 else 404)
            peer.pong()


@pytest.mark.parametrize("excess", [-1, 0, 1])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("limit", [one_field, all_fields, number_of_fields])
def test_fields(service, http2, limit, excess, version):
    fields = limit(excess)
    expected = 431 if excess > 0 else 200
    if version == 1:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        with service.raw() as raw:
            raw.send(f"GET / HTTP/1.1\r\nHost: polyak.test\r\n{lines}\r\n".encode())
            answer = raw.answer()
            assert answer.status == expected
            if excess > 0:
                allowed = {one_field: FIELD, all_fields: ALL, number_of_fields: FIELDS}[limit]
                assert f" {allowed} " in answer.problem(431, "headers-too-large")["detail"]
    else:
        with http2() as peer:
            peer.start()
            block = peer.encoder.encode(peer.fields(*fields))
            first, *rest = [block[at:at + 16_384] for at in range(0, len(block), 16_384)]
            peer.send(headers(1, first, END_STREAM | (0 if rest else END_HEADERS)),
                      *[continuation(1, piece, 0 if piece is not rest[-1] else END_HEADERS)
                        for piece in rest])
            assert peer.answer()[0] == expected
            peer.pong()


@pytest.mark.parametrize("excess", [-1, 0, 1])
@pytest.mark.parametrize("version", [1, 2])
def test_trailers(service, http2, excess, version):
    # Settings that are none: the answer waits for the body's end.
    expected = 431 if excess > 0 else 422
    if version == 1:
        trailer = b"x:" + b"y" * (TRAILERS + excess - len("x:")) + b"\r\n"
        with service.raw() as raw:
            raw.send(b"PUT /v1/sessions/limits HTTP/1.1\r\nHost: h\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailer + b"\r\n")
            answer = raw.answer()
            assert answer.status == expected
            assert excess <= 0 or str(TRAILERS) in answer.json()["detail"]
    else:
        with http2() as peer:
            peer.start()
            request = peer.get(method="PUT", path="/v1/sessions/limits", flags=END_HEADERS)
            peer.send(request + data(1, b"{}") + headers(1, peer.encoder.encode(
                [("x", "y" * (TRAILERS + excess - len("x: ")))])))
            assert peer.answer()[0] == expected
            peer.pong()


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_chunk_extensions(service, excess):
    with service.raw() as raw:
        raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
                 b"1;" + b"x" * (EXTENSION + excess - 1) + b"\r\na\r\n0\r\n\r\n")
        answer = raw.answer()
        assert answer.status == (400 if excess > 0 else 404)
        assert excess <= 0 or str(EXTENSION) in answer.json()["detail"]
