"""What RFC 9113 section 8 asks of requests, and RFC 7541 of the blocks that carry them."""

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from http2_frames import *
from named import named

pytestmark = pytest.mark.once("frames of HTTP/2, whatever the others speak")

END = END_HEADERS | END_STREAM
WRONG = reset(PROTOCOL_ERROR)


def get(*more, **which):
    return lambda p: [p.get(1, *more, **which)]


def only(*fields):
    """A request of exactly these fields."""
    return lambda p: [headers(1, p.block(*fields))]


def post(*frames, fields=()):
    """A POST with these fields, and then these frames."""
    return lambda p: [p.post(1, *fields), *(each(p) if callable(each) else each
                                            for each in frames)]


def trailers(*fields, flags=END):
    return lambda p: headers(1, p.block(*fields), flags)


METHOD, SCHEME, PATH = (":method", "GET"), (":scheme", "http"), (":path", "/")
AUTHORITY = (":authority", "polyak.test")

EXCHANGES = [
    ("8.1 GET", get(), answered(200)),
    ("8.1 HEAD", get(method="HEAD"), answered(200)),
    ("8.1 POST", post(data(1, b"test", END_STREAM)), answered(200, 404)),
    ("8.1 POST without content", get(method="POST"), answered(200, 404, 411)),
    ("8.1 POST with trailers",
     post(data(1, b"test"), trailers(("x-test", "ok")), fields=[("trailer", "x-test")]),
     answered(200, 404)),
    ("8.1 trailers without content", post(trailers(("x-test", "ok"))), answered(200, 404)),
    ("8.1 trailers that do not end the stream",
     post(data(1, b"test"), trailers(("x-test", "ok"), flags=END_HEADERS)), WRONG),
    ("8.1 frames after the trailers",
     post(data(1, b"test"), trailers(("x-test", "ok")), data(1, b"more", END_STREAM)),
     reset(STREAM_CLOSED)),
    ("8.1 trailers with :method",
     post(data(1, b"test"), trailers((":method", "POST"))), WRONG),
    ("8.1 trailers with :method that do not end the stream",
     post(data(1, b"test"), trailers((":method", "POST"), flags=END_HEADERS)), WRONG),
    ("8.1 trailers with an upper-case name",
     post(data(1, b"test"), trailers(("X-Test", "ok"))), WRONG),
]

LENGTHS = [
    ("8.1.1 a length that is right",
     post(data(1, b"te"), data(1, b"st", END_STREAM), fields=[("content-length", "4")]),
     answered(200, 404)),
    ("8.1.1 a length of the content without its padding",
     post(frame(DATA, PADDED | END_STREAM, 1, b"\3test\0\0\0"), fields=[("content-length", "4")]),
     answered(200, 404)),
    ("8.1.1 a length that is too small",
     post(data(1, b"test", END_STREAM), fields=[("content-length", "1")]), WRONG),
    ("8.1.1 a length that is too small for all frames",
     post(data(1, b"test"), data(1, b"test", END_STREAM), fields=[("content-length", "4")]),
     WRONG),
    ("8.1.1 a length that is too large",
     post(data(1, b"test", END_STREAM), fields=[("content-length", "5")]), WRONG),
    ("8.1.1 a length that is too large, with trailers",
     post(data(1, b"test"), trailers(("x", "y")), fields=[("content-length", "5")]), WRONG),
    ("8.1.1 a length without content", get(("content-length", "1")), WRONG),
    ("8.1.1 a length of 0", get(("content-length", "0")), answered(200)),
    ("8.1.1 two lengths", get(("content-length", "0"), ("content-length", "0")), malformed),
    ("8.1.1 a list of lengths", get(("content-length", "0, 0")), malformed),
    ("8.1.1 a length with a sign", get(("content-length", "+0")), malformed),
    ("8.1.1 a length below 0", get(("content-length", "-1")), malformed),
    ("8.1.1 a length of nothing", get(("content-length", "")), malformed),
    ("8.1.1 a length in words", get(("content-length", "none")), malformed),
    ("8.1.1 a length beyond 64 bits", get(("content-length", str(2**64))), malformed),
]

NAMES = [(f"8.2.1 {what} in a name", get((name, "ok")), malformed) for what, name in [
    ("an upper-case letter", "X-TEST"), ("one upper-case letter", "x-tesT"), ("a space", "x test"),
    ("a leading space", " x"), ("a trailing space", "x "), ("a tab", "x\ttest"),
    ("NUL", "x\0"), ("CR", "x\r"), ("LF", "x\ny: z"), ("DEL", "x\x7f"),
    ("a byte above 127", "x\xe4"),
    ("a colon", "x:y"), ("a bracket", "x[]"), ("nothing", ""), ("a quote", 'x"y')]]
VALUES = [(f"8.2.1 {what}", get(("x-test", value)), malformed) for what, value in [
    ("CR in a value", "a\rb"), ("LF in a value", "a\nb"), ("NUL in a value", "a\0b"),
    ("CR LF and a field in a value", "a\r\nhost: evil"), ("a space before a value", " a"),
    ("a space after a value", "a "), ("a tab before a value", "\ta"),
    ("a tab after a value", "a\t"),
    ("CR at the end of a value", "a\r")]]
VALUES += [("8.2.1 a value without content", get(("x-test", "")), answered(200)),
           ("8.2.1 a value with spaces and tabs inside", get(("x-test", "a \t b")), answered(200)),
           ("8.2.1 a value with bytes above 127", get(("x-test", "\xe4\xff")), answered(200))]

CONNECTION_FIELDS = [(f"8.2.2 {name}: {value}", get((name, value)), WRONG) for name, value in [
    ("connection", "keep-alive"), ("connection", "close"), ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"), ("transfer-encoding", "chunked"), ("upgrade", "h2c"),
    ("te", "gzip"), ("te", "trailers, deflate")]]
CONNECTION_FIELDS += [
    ("8.2.2 te: trailers", get(("te", "trailers")), answered(200)),
    ("8.2.2 te: trailers, deflate, after another field",
     get(("trailers", "test"), ("te", "trailers, deflate")), WRONG),
    ("8.2.3 cookies in several fields", get(("cookie", "a=b"), ("cookie", "c=d")), answered(200))]

PSEUDO = [
    ("8.3 an unknown one", get((":test", "ok")), WRONG),
    ("8.3 the one of answers", get((":status", "200")), WRONG),
    ("8.3 one after a field", only(("x-test", "ok"), METHOD, SCHEME, PATH, AUTHORITY), WRONG),
    ("8.3 one of them after a field", only(METHOD, SCHEME, PATH, ("x-test", "ok"), AUTHORITY),
     WRONG),
    ("8.3.1 :path empty", get(path=""), WRONG),
    ("8.3.1 no :method", only(SCHEME, PATH, AUTHORITY), WRONG),
    ("8.3.1 no :method and no :scheme", only(PATH, AUTHORITY), WRONG),
    ("8.3.1 no :scheme", only(METHOD, PATH, AUTHORITY), WRONG),
    ("8.3.1 no :path", only(METHOD, SCHEME, AUTHORITY), WRONG),
    ("8.3.1 none", only(("x-test", "ok")), WRONG),
    ("8.3.1 no fields", lambda p: [headers(1, b"")], WRONG),
    ("8.3.1 two :method", get((":method", "GET")), WRONG),
    ("8.3.1 two :method that differ", get((":method", "/")), WRONG),
    ("8.3.1 two :scheme", get((":scheme", "http")), WRONG),
    ("8.3.1 two :path", get((":path", "/")), WRONG),
    ("8.3.1 two :authority", get((":authority", "polyak.test")), WRONG),
    ("8.3.1 two :path, next to each other", only(METHOD, SCHEME, PATH, PATH, AUTHORITY), WRONG),
    ("8.3.1 :path without its slash", get(path="livez"), malformed),
    ("8.3.1 :path as a whole address", get(path="http://polyak.test/"), malformed),
    ("8.3.1 :path with a space", get(path="/a b"), malformed),
    ("8.3.1 :path with CR LF", get(path="/ HTTP/1.1\r\nx: y"), malformed),
    ("8.3.1 :path with NUL", get(path="/\0"), malformed),
    ("8.3.1 :path with a byte above 127", get(path="/\xe4"), malformed),
    ("8.3.1 :path * of GET", get(path="*"), malformed),
    ("8.3.1 :path * of OPTIONS", get(path="*", method="OPTIONS"), answered(200, 204, 404, 405)),
    ("8.3.1 :method empty", get(method=""), malformed),
    ("8.3.1 :method with a space", get(method="GET /x"), malformed),
    ("8.3.1 :method with a line's end", get(method="GET / HTTP/1.1\r\nx: y"), malformed),
    ("8.3.1 :scheme empty", only(METHOD, (":scheme", ""), PATH, AUTHORITY), malformed),
    ("8.3.1 :authority with a name of a user",
     only(METHOD, SCHEME, PATH, (":authority", "me@polyak.test")), malformed),
    ("8.3.1 :authority with CR LF",
     only(METHOD, SCHEME, PATH, (":authority", "a\r\nx: y")), malformed),
    ("8.3.1 :authority empty", only(METHOD, SCHEME, PATH, (":authority", "")), malformed),
    ("8.3.1 host instead of :authority", only(METHOD, SCHEME, PATH, ("host", "polyak.test")),
     answered(200)),
    ("8.3.1 host and :authority, the same", get(("host", "polyak.test")), answered(200)),
    ("8.3.1 host and :authority, not the same", get(("host", "evil.test")), malformed),
    ("8.3.1 neither host nor :authority", only(METHOD, SCHEME, PATH), malformed),
    ("8.3.1 two hosts", only(METHOD, SCHEME, PATH, ("host", "a"), ("host", "a")), malformed),
    ("8.5 CONNECT", only((":method", "CONNECT"), (":authority", "h:80")),
     answered(400, 404, 405, 501)),
    ("8.5 CONNECT with :path", get(method="CONNECT"), WRONG),
    ("8441 4 CONNECT with :protocol", get((":protocol", "websocket"), method="CONNECT"), WRONG),
]


# RFC 7541. Strings, plain and in the Huffman code; what is broken is written bit by bit.
def number(value, bits, first=0):
    """Section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    coded, value = bytearray([first | most]), value - most
    while value >= 128:
        coded.append(value & 127 | 128)
        value >>= 7
    return bytes(coded) + bytes([value])


def plain(text):
    return number(len(text), 7) + text


def huffman(text):
    coded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)
    return number(len(coded), 7, 128) + coded


def bits(text, padding):
    """`text` in the Huffman code with its own padding, a string of 0 and 1."""
    written = "".join(f"{REQUEST_CODES[byte]:0{REQUEST_CODES_LENGTH[byte]}b}"
                      for byte in text) + padding
    assert len(written) % 8 == 0, len(written)
    return number(len(written) // 8, 7, 128) + int(written, 2).to_bytes(len(written) // 8, "big")


def block(before=b"", after=b""):
    return lambda p: [headers(1, before + p.block(*p.fields()) + after)]


EOS = "1" * 30
BROKEN = refused(COMPRESSION_ERROR)
LITERALS = [(f"{clause} {how}, {name}, {code}",
             block(after=bytes([first]) + string(b"x-test") + string(b"some value")
                   if name == "new name" else number(58, prefix, first) + string(b"some agent")),
             answered(200))
            for clause, how, first, prefix in [("6.2.1", "indexed", 0x40, 6),
                                               ("6.2.2", "not indexed", 0x00, 4),
                                               ("6.2.3", "never indexed", 0x10, 4)]
            for name in ("new name", "indexed name")
            for code, string in [("plain", plain), ("Huffman", huffman)]]
# "test" takes 20 bits, so 4 of padding belong to it; "x" takes 7.
BLOCKS = [
    ("6.1 an index of the static table", block(after=b"\xba"), answered(200)),
    ("6.1 an index of the dynamic table",
     block(after=b"\x40" + plain(b"x-new") + plain(b"1") + b"\xbe"), answered(200)),
    ("2.3.3 the last index of the static table", block(after=b"\xbd"), answered(200)),
    ("2.3.3 an index beyond both tables", block(after=b"\xfe"), BROKEN),
    ("2.3.3 an index far beyond both tables", block(after=number(2**20, 7, 128)), BROKEN),
    ("2.3.3 a name's index beyond both tables", block(after=number(200, 4) + plain(b"x")), BROKEN),
    ("6.1 index 0", block(after=b"\x80"), BROKEN),
    ("6.3 a table of 0", block(b"\x20"), answered(200)),
    ("4.2 two sizes of the table", block(b"\x20" + number(4096, 5, 0x20)), answered(200)),
    ("4.2 a size of the table at a block's end", block(after=b"\x21"), BROKEN),
    ("4.2 a size of the table inside a block", block(after=b"\x20\xba"), BROKEN),
    ("6.3 a size of the table beyond what is announced", lambda p: block(
        number(p.settings.get(HEADER_TABLE_SIZE, 4096) + 1, 5, 0x20))(p), BROKEN),
    ("5.1 a size beyond 64 bits", block(number(2**70, 5, 0x20)), BROKEN),
    ("5.1 a number that does not end", block(after=b"\xff" + b"\xff" * 20), BROKEN),
    ("5.1 a number that is cut off", block(after=b"\xff\x80"), BROKEN),
    ("5.2 a string longer than the block", block(after=b"\0" + number(100, 7) + b"x"), BROKEN),
    ("5.2 a string of 2^32", block(after=b"\0" + number(2**32, 7) + b"x"), BROKEN),
    ("5.2 a field without its value", block(after=b"\0" + plain(b"x-test")), BROKEN),
    ("5.2 padding", block(after=b"\0" + plain(b"x-test") + bits(b"test", "1" * 4)),
     answered(200)),
    ("5.2 padding of 8 bits and more",
     block(after=b"\0" + plain(b"x-test") + bits(b"test", "1" * 12)), BROKEN),
    ("5.2 padding of zeros", block(after=b"\0" + plain(b"x-test") + bits(b"test", "0" * 4)),
     BROKEN),
    ("5.2 padding with a zero", block(after=b"\0" + plain(b"x-test") + bits(b"test", "1110")),
     BROKEN),
    ("5.2 the end symbol", block(after=b"\0" + plain(b"x-test") + bits(b"test", EOS + "1" * 6)),
     BROKEN),
    ("5.2 the end symbol in a name", block(after=b"\0" + bits(b"x", EOS + "111") + plain(b"y")),
     BROKEN),
    ("5.2 padding alone", block(after=b"\0" + plain(b"x-test") + b"\x81\xff"), BROKEN),
]

CASES = [*EXCHANGES, *LENGTHS, *NAMES, *VALUES, *CONNECTION_FIELDS,
         *[("pseudo-header fields: " + name, *rest) for name, *rest in PSEUDO],
         *[("RFC 7541 " + name, *rest) for name, *rest in LITERALS + BLOCKS]]


@pytest.mark.parametrize("cut", ["whole", "frames", "bytes"])
@named("frames,look", CASES)
def test_requests(http2, frames, look, cut):
    http2().undergo(frames, look, cut)


def test_a_malformed_request_leaves_the_connections_tables_in_step(http2):
    # Both sides' tables must take in the fields of a block that is refused (RFC 7541 section 2.2).
    with http2() as peer:
        peer.start()
        peer.send(peer.get(1, ("X-Bad", "1"), ("x-new", "2")))
        reset(PROTOCOL_ERROR)(peer)
        for stream in (3, 5, 7):
            peer.send(peer.get(stream, ("x-new", "2"), ("x-newer", str(stream))))
            assert peer.answer(stream)[0] == 200


def test_an_answer_to_head_has_fields_and_no_content(http2):
    with http2() as peer:
        peer.start()
        peer.send(peer.get(1))
        status, fields, content = peer.answer(1)
        assert status == 200 and content
        peer.send(peer.get(3, method="HEAD"))
        status, head, content = peer.answer(3)
        assert (status, content) == (200, b"")
        assert head.get("content-length") == fields.get("content-length")


def test_answers_have_no_fields_of_the_connection_and_names_in_lower_case(http2):
    with http2() as peer:
        peer.start()
        peer.send(peer.get(1))
        _, first, _ = peer.answer(1)
        peer.send(peer.post(3), data(3, b"x", END_STREAM))
        _, second, _ = peer.answer(3)
        for fields in (first, second):
            assert list(fields)[0] == ":status"
            assert not {"connection", "keep-alive", "transfer-encoding", "upgrade"} & set(fields)
            assert all(name == name.lower() for name in fields)
