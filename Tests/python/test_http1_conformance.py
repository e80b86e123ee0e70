"""What RFC 9112 and RFC 9110 ask of a server over HTTP/1.1, beyond test_error_framing.py."""

import email.utils
import select

import pytest

from harness import Request
from named import named

pytestmark = pytest.mark.once("HTTP/1.1, byte by byte")

ROOT = b"GET / HTTP/1.1\r\nHost: polyak.test\r\n\r\n"
MARKER = b"GET /livez HTTP/1.1\r\nHost: marker.test\r\nConnection: close\r\n\r\n"


def lines(*each):
    return "\r\n".join([*each, "", ""]).encode("latin-1")


def get(*fields, target="/", method="GET", version="HTTP/1.1"):
    return lines(f"{method} {target} {version}", "Host: polyak.test", *fields)


# Requests that are in order: they are answered so, and the connection can be used again.
GOOD = [
    ("9112 2.2 an empty line before the request", b"\r\n" + ROOT, 200),
    ("9112 3.2.1 a query", get(target="/livez?verbose"), 200),
    ("9112 3.2.1 two slashes", get(target="//"), 404),
    ("9112 3.2.2 absolute-form", get(target="http://polyak.test/livez"), 200),
    ("9112 3.2.2 absolute-form with a port", get(target="http://polyak.test:80/livez"), 200),
    ("9112 3.2.2 absolute-form without a path", get(target="http://polyak.test"), 200),
    ("9112 3.2.2 absolute-form goes before Host",
     lines("GET http://other.test/livez HTTP/1.1", "Host: polyak.test"), 200),
    ("9112 3.2.2 https", get(target="https://polyak.test/livez"), 200),
    ("9112 5.1 white space about a value", get("X: \t y \t "), 200),
    ("9112 5.1 none", lines("GET / HTTP/1.1", "Host:polyak.test"), 200),
    ("9112 5.1 a tab", lines("GET / HTTP/1.1", "hoSt:\tpolyak.test", "empty:"), 200),
    ("9110 5.5 an empty value", get("X-Empty:", "X-Blank: "), 200),
    ("9110 5.5 bytes above 127 in a value", get("X: \xe4\xff"), 200),
    ("9110 5.6.2 every character of a token as a name",
     get("!#$%&'*+-.^_`|~0123456789abcXYZ: x"), 200),
    ("9110 5.1 names in any case", get("cOnNeCtIoN: keep-alive"), 200),
    ("9110 7.2 Host with a port", lines("GET / HTTP/1.1", "Host: polyak.test:8080"), 200),
    ("9110 7.2 Host with an IPv6 address", lines("GET / HTTP/1.1", "Host: [::1]:8080"), 200),
    ("9112 6.3 a length of 0", get("Content-Length: 0"), 200),
    ("9112 6.2 a length with leading zeros", get("Content-Length: 000"), 200),
    ("9112 6.3 a body of GET", get("Content-Length: 5") + b"hello", 200),
    ("9112 7.1 chunks of GET",
     get("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", 200),
    ("9112 7.1 no chunks", get("Transfer-Encoding: chunked") + b"0\r\n\r\n", 200),
    ("9112 7 the coding in any case", get("Transfer-Encoding: cHuNkEd") + b"0\r\n\r\n", 200),
    ("9112 7.1 sizes in any case",
     get("Transfer-Encoding: chunked") + b"A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", 200),
    ("9112 7.1 sizes with leading zeros",
     get("Transfer-Encoding: chunked") + b"0005\r\nhello\r\n000\r\n\r\n", 200),
    ("9112 7.1.1 extensions", get("Transfer-Encoding: chunked") +
     b'5;a;b=c;d="e f";g="\\""\r\nhello\r\n0;last\r\n\r\n', 200),
    ("9112 7.1.2 trailers",
     get("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n", 200),
    ("9110 6.5.1 trailers that would mean something in a head",
     get("Transfer-Encoding: chunked") +
     b"0\r\nContent-Length: 9\r\nHost: evil\r\nTransfer-Encoding: gzip\r\n\r\n", 200),
    ("9112 7.4 TE", get("TE: trailers, deflate;q=0.5", "Connection: TE"), 200),
    ("9110 7.8 Upgrade to what is unknown", get("Connection: Upgrade", "Upgrade: websocket"), 200),
    ("9110 10.1.1 Expect without content", get("Expect: 100-continue"), 200),
    ("9110 10.1.1 Expect in any case", get("expect: 100-Continue"), 200),
    ("9112 9.3 an unknown option", get("Connection: x-whatever"), 200),
    ("9110 9.3.2 HEAD", get(method="HEAD"), 200),
    ("9110 9.1 a method in lower case is another one", get(method="get", target="/livez"),
     (405, 501)),
    ("9110 9.1 an unknown method", get(method="BREW", target="/livez"), (405, 501)),
    ("9110 9.3.8 TRACE", get(method="TRACE", target="/livez"), (405, 501)),
    ("9112 3.2.4 OPTIONS *", get(method="OPTIONS", target="*"), (200, 204, 404, 405, 501)),
    ("9112 2.1 POST with content",
     lines("POST / HTTP/1.1", "Host: polyak.test", "Content-Length: 5") + b"hello", (404, 405)),
    ("3986 2.1 an escape", get(target="/%6Civez"), 200),
    ("3986 2.1 an escape that is broken", get(target="/%zz"), (400, 404)),
    ("3986 3.3 dots are names", get(target="/v1/../livez"), 404),
]


@named("data,status", GOOD)
@pytest.mark.parametrize("cut", ["whole", "bytes"])
def test_a_request_in_order_is_answered_and_the_connection_kept(service, data, status, cut):
    with service.raw() as raw:
        for piece in [data] if cut == "whole" else [bytes([byte]) for byte in data]:
            raw.send(piece)
        answer = raw.answer(data.strip().split(b" ")[0].decode())
        assert answer.status in (status if isinstance(status, tuple) else (status,)), answer
        if cut == "bytes" and b"Transfer-Encoding" in data and answer["Connection"] == "close":
            # Answered by the head, when nobody knew yet how long the body would be.
            assert raw.rest() == b""
        else:
            assert raw.ask(Request("GET", "/livez")).status == 200


# Requests that are wrong: one answer, and the connection ends. The marker after them is no request.
def bad(clause, data, *statuses):
    return clause, data, statuses or (400,)


TARGETS = ["", "livez", "polyak.test:80", "*", "http://", "http:///", "http://@/", "ftp://a/",
           "http://polyak.test:x/", "http://me@polyak.test/", "/\x7f", "/\xe4", "/\x01", "/#part",
           "/a\tb"]
HOSTS = ["", "a b", "a/b", "a@b", "a:b", "a:65536", "[::1", "::1", "a,b", "a\xe4", "http://a"]
NAMES = ["X ", "X Y", "X\t", " X", "X[]", 'X"', "X(", "X/", "X\xe4", "X\x01", "X\x7f", "", "X;",
         "X="]
CONTROLS = [*range(0, 9), 11, 12, *range(14, 32), 127]
LENGTHS = ["", " ", "-1", "+5", "5.0", "0x5", "5 5", "5,5", "5, 5", "5;", "\xb5", "five",
           "-" + "1" * 27, "1" * 27, str(2**63), str(2**64), "5\x0b", "'5'", "1e1",
           "\u0665".encode().decode("latin-1")]
CODINGS = [("", 400), ("chunked, chunked", 400), ("chunked, gzip", 400), ("identity", 501),
           ("gzip", 501), ("gzip, chunked", 501), ("xchunked", 501), ("chunked;a=b", 400),
           ('"chunked"', 400), ("chunked,", 400), (",chunked", 400), ("chunked \x0b", 400),
           ("chunke d", 400), ("x, chunked", 501), ("chunked\xa0", 400), ("\x0bchunked", 400)]
CHUNKS = ["", "g", "-1", "+5", "0x5", "5 ", "5\t", "5 ;a", "5\t;a", " 5", "5.", "5,",
          "1" * 17, "0" * 16 + "5", "5;\0", "5;\n", "5\n", "5;a\rb", "\x0b5"]
BAD = [
    *[bad(f"9112 3.2 the target {target!r}", get(target=target)) for target in TARGETS],
    *[bad(f"9110 7.2 the host {host!r}", lines("GET / HTTP/1.1", f"Host: {host}"))
      for host in HOSTS],
    *[bad(f"9112 5.1 the name {name!r}", get(f"{name}: x")) for name in NAMES],
    *[bad(f"9110 5.5 the byte {byte} in a value", get(f"X: a{chr(byte)}b")) for byte in CONTROLS],
    *[bad(f"9112 6.2 the length {length!r}", get(f"Content-Length: {length}"))
      for length in LENGTHS],
    *[bad(f"9112 6.1 the coding {coding!r}", get(f"Transfer-Encoding: {coding}"), status)
      for coding, status in CODINGS],
    *[bad(f"9112 7.1 the size {size!r}", get("Transfer-Encoding: chunked") +
          size.encode("latin-1") + b"\r\nhello\r\n0\r\n\r\n") for size in CHUNKS],
    bad("9112 2.3 no version", b"GET / \r\n\r\n"),
    bad("9112 2.3 no version and no space", b"GET /\r\n\r\n"),
    bad("9112 2.3 the name in lower case", get(version="http/1.1")),
    bad("9112 2.3 two digits", get(version="HTTP/11.1")),
    bad("9112 2.3 two digits at the end", get(version="HTTP/1.10")),
    bad("9112 2.3 no digit", get(version="HTTP/1.")),
    bad("9112 2.3 a digit of another script", get(version="HTTP/1.\xb9")),
    bad("9112 2.3 space after the version", get(version="HTTP/1.1 ")),
    bad("9110 2.5 a version of the future", get(version="HTTP/9.9"), 505),
    bad("9110 2.5 HTTP/0.9", get(version="HTTP/0.9"), 505),
    bad("9112 3 text before the method", b"Extra line" + ROOT),
    bad("9112 3 two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 3 a tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 3 space before the method", b" " + ROOT),
    bad("9112 2.2 two empty lines before the request", b"\r\n\r\n" + ROOT),
    bad("9112 2.2 LF before the request", b"\n" + ROOT),
    bad("9112 2.2 CR before the request", b"\r" + ROOT),
    bad("9112 2.2 a field that is folded into the first line",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    bad("9112 2.2 CR at the head's end", b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"),
    bad("9112 2.2 LF alone ends a field", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    bad("9112 2.2 LF alone ends the head", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    bad("9112 2.2 CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    bad("9112 3.1 a method that is no token", get(method="G[]T")),
    bad("9112 3.2 no host", b"GET / HTTP/1.1\r\n\r\n"),
    bad("9112 3.2 no host, and a length", b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"),
    bad("9112 3.2 the host twice, the same", get("Host: polyak.test")),
    bad("9112 3.2 two hosts", get("Host: other.test")),
    bad("9112 5.2 a folded value", get("X: a", "\tb")),
    bad("9112 5 a line without a colon", get("X")),
    bad("9112 6.3 length and coding", get("Transfer-Encoding: chunked", "Content-Length: 5")),
    bad("9112 6.3 length and coding, the other way", get("Content-Length: 5",
                                                         "Transfer-Encoding: chunked")),
    bad("9112 6.3 two lengths", get("Content-Length: 4", "Content-Length: 5")),
    bad("9112 6.3 two lengths, the same", get("Content-Length: 5", "Content-Length: 5")),
    bad("9112 6.3 two codings in two fields", get("Transfer-Encoding: chunked",
                                                  "Transfer-Encoding: chunked")),
    bad("9112 6.1 a coding in HTTP/1.0", get("Transfer-Encoding: chunked", version="HTTP/1.0")),
    bad("9112 7.1 a chunk longer than its size",
        get("Transfer-Encoding: chunked") + b"4\r\nhello\r\n0\r\n\r\n"),
    bad("9112 7.1 a chunk that LF ends",
        get("Transfer-Encoding: chunked") + b"5\r\nhello\n0\r\n\r\n"),
    bad("9112 7.1 a last chunk that LF ends", get("Transfer-Encoding: chunked") + b"0\n\r\n"),
    bad("9112 7.1.2 a trailer that LF ends",
        get("Transfer-Encoding: chunked") + b"0\r\nX: y\n\r\n"),
    bad("9112 7.1.2 a trailer with a space in its name",
        get("Transfer-Encoding: chunked") + b"0\r\nX : y\r\n\r\n"),
    bad("9112 7.1.2 a folded trailer",
        get("Transfer-Encoding: chunked") + b"0\r\nX: y\r\n z\r\n\r\n"),
    bad("9112 7.1.2 a trailer with NUL",
        get("Transfer-Encoding: chunked") + b"0\r\nX: \0\r\n\r\n"),
    bad("9112 7.1.2 a request for a trailer",
        get("Transfer-Encoding: chunked") + b"0\r\nGET / HTTP/1.1\r\n\r\n"),
    bad("9110 10.1.1 an expectation that is unknown", get("Expect: tea"), 417),
    bad("9113 3.4 the preface of HTTP/2, with a path", b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
        400, 505),
    bad("the first bytes of TLS", bytes.fromhex("1603010200010001fc0303")),
]

PROBLEMS = {400: "malformed-request", 417: "expectation-failed", 501: "not-implemented",
            505: "version-not-supported"}


@named("data,statuses", BAD)
def test_a_wrong_request_is_the_last_one(service, data, statuses):
    with service.raw() as raw:
        raw.send(data + MARKER)
        answer = raw.answer("GET")
        assert answer.status in statuses, answer
        answer.problem(answer.status, PROBLEMS[answer.status])
        assert answer["Connection"] == "close", answer
        raw.finish()
        assert raw.rest() == b""


def test_what_is_wrong_in_a_body_that_comes_after_the_answer_ends_the_connection(service):
    with service.raw() as raw:
        assert raw.ask(get("Transfer-Encoding: chunked")).status == 200
        raw.send(b"5\r\nhelloX" + MARKER)
        assert raw.rest() == b""


# Anything that may become a request is waited for, and nothing is said before.
def test_every_beginning_of_a_request_is_waited_for(start_service):
    service = start_service("--head-timeout", "10m")
    request = b"GET /livez HTTP/1.1\r\nHost: polyak.test\r\nX:\t y\r\n\r\n"
    waiting = {}
    for end in range(len(request)):
        raw = service.raw()
        raw.send(request[:end])
        waiting[raw] = request[end:]
    # As long as a judge from outside might wait for an answer that must not come.
    said = select.select([raw.socket for raw in waiting], [], [], 0.7)[0]
    assert not said, [raw.rest() for raw in waiting if raw.socket in said]
    for raw, rest in waiting.items():
        assert raw.ask(rest).status == 200
        raw.close()


def test_an_end_in_the_middle_of_a_head_is_no_request(service):
    for end in (1, 5, len(ROOT) - 1):
        with service.raw() as raw:
            raw.send(ROOT[:end])
            raw.finish()
            raw.assert_ends_without_success()


# Versions and persistence (RFC 9112 sections 2.3 and 9.3, RFC 9110 section 2.5).
@pytest.mark.parametrize("version,option,kept", [
    ("HTTP/1.1", None, True), ("HTTP/1.1", "close", False), ("HTTP/1.1", "CLOSE", False),
    ("HTTP/1.1", "x, close", False), ("HTTP/1.1", "keep-alive", True),
    ("HTTP/1.0", None, False), ("HTTP/1.0", "keep-alive", True), ("HTTP/1.0", "Keep-Alive", True),
    ("HTTP/1.0", "keep-alive, close", False)])
def test_persistence(service, version, option, kept):
    fields = [f"Connection: {option}"] if option else []
    with service.raw() as raw:
        answer = raw.ask(get(*fields, version=version))
        assert answer.status == 200
        if kept:
            assert answer["Connection"] in (None, "keep-alive")
            assert (answer["Connection"] == "keep-alive") == (version == "HTTP/1.0")
            assert raw.ask(get()).status == 200
        else:
            assert answer["Connection"] == "close"
            assert raw.rest() == b""


@pytest.mark.parametrize("fields", [[], ["Expect: 100-continue"], ["Expect: tea"]],
                         ids=["no Host", "100-continue", "unknown"])
def test_http_1_0_needs_no_host_and_has_no_expectations(service, fields):
    with service.raw() as raw:
        raw.send(lines("POST / HTTP/1.0", "Content-Length: 5", *fields) + b"hello")
        assert raw.answer().status == 404
        assert raw.rest() == b""


# What answers must and must not have.
@pytest.mark.parametrize("data,method", [
    (get(), "GET"), (get(target="/livez"), "GET"), (get(target="/absent"), "GET"),
    (get(method="HEAD"), "HEAD"), (get(method="PUT", target="/livez"), "PUT"),
    (get(target="/v1/sessions"), "GET"), (get(target="/metrics"), "GET"),
    (b"GET / HTTP/1.1\r\n\r\n", "GET"), (get(version="HTTP/1.0"), "GET")])
def test_fields_of_an_answer(service, data, method):
    with service.raw() as raw:
        answer = raw.ask(data, method)
        date = email.utils.parsedate_to_datetime(answer["Date"])
        assert email.utils.format_datetime(date, usegmt=True) == answer["Date"]
        for field in ("Date", "Content-Length", "Content-Type", "Connection"):
            assert len(answer.headers.get_all(field, [])) <= 1
        assert not (answer["Content-Length"] and answer["Transfer-Encoding"])
        if answer.status == 405:
            assert answer["Allow"]


def test_the_answer_to_head_is_that_of_get_without_content(service):
    for target in ("/", "/livez", "/absent", "/openapi.json", "/v1/sessions"):
        with service.raw() as raw:
            head = raw.ask(get(method="HEAD", target=target), "HEAD")
            whole = raw.ask(get(target=target))
            assert head.status == whole.status and not head.body
            assert int(head["Content-Length"]) == len(whole.body) > 0
            assert head["Content-Type"] == whole["Content-Type"]


def test_pipelined_requests_with_and_without_bodies_are_answered_in_order(service):
    kinds = [(get(target="/livez"), "GET", 200), (get(target="/absent"), "GET", 404),
             (get("Content-Length: 3") + b"abc", "GET", 200),
             (get("Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n", "GET", 200),
             (get(method="HEAD"), "HEAD", 200), (b"\r\n" + get(target="/livez"), "GET", 200),
             (get("Content-Length: 3", method="POST") + b"GET", "POST", 404)]
    with service.raw() as raw:
        raw.send(b"".join(data for data, *_ in kinds) * 20 + MARKER)
        for _ in range(20):
            for _, method, status in kinds:
                assert raw.answer(method).status == status
        assert raw.answer("GET").status == 200
        assert raw.rest() == b""
