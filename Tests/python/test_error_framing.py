"""Broken framing, what is told first, and answers that come before the body."""

import numpy as np
import pytest

from fixed import GOOD, fixed_on
from harness import SAFETENSORS, UNTOLD, Request, Service, request_bytes, upload_to
from models import encode
from named import named


# In the body of an upload, and beyond the limits; test_http1_conformance.py has the heads.
def lines(*each):
    return "\r\n".join([*each, "", ""]).encode()


POST = "POST {s}/parameters HTTP/1.1"
FRAMING = [
    ("bad chunk size", lines(POST, "Host: h", "Transfer-Encoding: chunked") + b"xyz\r\n", 400,
     "malformed-request"),
    ("chunk without its end", lines(POST, "Host: h", f"Content-Type: {SAFETENSORS}",
                                    "Transfer-Encoding: chunked") + b"2\r\nabXX0\r\n\r\n", 400,
     "malformed-request"),
    ("chunk extension too long", lines(POST, "Host: h", "Transfer-Encoding: chunked") +
     b"2;" + b"x" * 9000 + b"\r\n", 400, "malformed-request"),
    ("request line too long", lines("GET /" + "x" * 9000 + " HTTP/1.1", "Host: h"), 414,
     "uri-too-long"),
    ("field too long", lines("GET /livez HTTP/1.1", "Host: h", "X: " + "x" * 9000), 431,
     "headers-too-large"),
    ("too many fields", lines("GET /livez HTTP/1.1", "Host: h", *["X: y"] * 101), 431,
     "headers-too-large"),
    ("fields too long", lines("GET /livez HTTP/1.1", "Host: h", *["X: " + "y" * 4000] * 9), 431,
     "headers-too-large"),
]


@pytest.mark.http1_only("the framing of requests")
@named("data,status,name", FRAMING)
def test_a_framing_error_ends_the_connection_after_one_answer(fixed, service, data, status, name):
    data = data.replace(b"{s}", fixed.path.encode())
    with service.raw() as raw:
        # The second request must never be looked at: its framing cannot be trusted.
        raw.send(data + request_bytes("GET", "/livez"))
        answer = raw.answer()
        answer.problem(status, name)
        assert answer["Connection"] == "close"
        raw.finish()
        assert raw.rest() == b""


@pytest.mark.http1_only("transfer codings")
def test_a_transfer_coding_that_is_unknown_is_not_implemented(fixed, service):
    with service.raw() as raw:
        answer = raw.ask(lines(f"POST {fixed.path}/parameters HTTP/1.1", "Host: h",
                               "Transfer-Encoding: gzip, chunked"))
        answer.problem(501, "not-implemented")


def test_an_unknown_method_is_refused(fixed, client):
    answer = client.request("BREW", fixed.path)
    assert answer.status in (405, 501), answer
    answer.problem(answer.status,
                   "method-not-allowed" if answer.status == 405 else "not-implemented")


@pytest.mark.http1_only("where a body without a length ends")
def test_a_post_needs_a_length_or_chunks(fixed, service):
    with service.raw() as raw:
        answer = raw.ask(lines(f"POST {fixed.path}/parameters HTTP/1.1", "Host: h",
                               f"Content-Type: {SAFETENSORS}"))
        answer.problem(411, "length-required")


def test_another_expectation_fails(fixed, service):
    with service.wire() as wire:
        answer = wire.ask(upload_to(fixed.path, b"", "Expect: tea", length=10))
        answer.problem(417, "expectation-failed")


# Precedence: of two things that are wrong, the one that is named earlier is told.
HUGE = 2**40
PRECEDENCE = [
    ("404 before the query", "POST /v1/sessions/absent/parameters?x=1", [], 0, 404,
     "session-not-found"),
    ("405 before the query", "PUT {s}/parameters?x=1", [], 0, 405, "method-not-allowed"),
    ("query before 415", "POST {s}/parameters?x=1", ["Content-Type: text/plain"], 0, 400,
     "unknown-parameter"),
    ("415 before 413", "POST {s}/parameters", ["Content-Type: text/plain"], HUGE, 415,
     "unsupported-format"),
    ("413 before the step", "POST {s}/parameters?step=1", [f"Content-Type: {SAFETENSORS}"], HUGE,
     413, "too-large"),
    ("step before the format", "POST {s}/parameters?step=1", [f"Content-Type: {SAFETENSORS}"], 0,
     409, "stale-step"),
    ("key before the step", "POST {s}/parameters?step=1", [
        f"Content-Type: {SAFETENSORS}", "Idempotency-Key: taken"], 0, 422,
     "idempotency-key-reused"),
]


@named("target,fields,length,status,name", PRECEDENCE)
def test_precedence(fixed, service, target, fields, length, status, name):
    method, path = target.format(s=fixed.path).split(" ")
    with service.wire() as wire:
        wire.ask(Request(method, path, b"", *fields, length=length)).problem(status, name)


@pytest.mark.http1_only("the framing of requests")
def test_broken_framing_is_told_before_404(fixed, service):
    with service.raw() as raw:
        raw.send(lines("POST /absent HTTP/1.1", "Host: h", "Transfer-Encoding: chunked",
                       "Content-Length: 1"))
        raw.answer().problem(400, "malformed-request")


def test_the_format_comes_before_the_layout_and_that_before_the_values(fixed):
    nan = np.full((3, 2), np.nan, np.float32)
    fixed.session.upload(encode({"x": nan})[:-1]).problem(400, "malformed-model")
    fixed.session.upload({"x": nan}).problem(422, "layout-mismatch")


# Early answers.
@pytest.fixture(scope="module")
def brief_service():
    """A service that soon lets go of a body that nobody wants."""
    running = Service("--linger", "1s")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def brief(brief_service):
    with fixed_on(brief_service) as made:
        before = made.look()
        yield made
        assert made.look() == before


@pytest.mark.parametrize("path,status,name", [
    ("/v1/sessions/absent", 404, "session-not-found"),
    ("{s}?step=1", 409, "stale-step")])
def test_an_expecting_client_gets_the_refusal_instead_of_100(
        brief, brief_service, path, status, name):
    path, _, query = path.format(s=brief.path).partition("?")
    target = f"{path}/parameters" + (f"?{query}" if query else "")
    with brief_service.wire() as wire:
        answer = wire.ask(Request("POST", target, b"", f"Content-Type: {SAFETENSORS}",
                                  "Expect: 100-continue", length=len(GOOD)))
        answer.problem(status, name)
        wire.assert_turned_away(answer)


def test_a_model_that_will_not_be_used_is_never_sent(brief, brief_service):
    with brief_service.wire() as wire:
        answer = wire.ask(upload_to(brief.waiting.path, b"", "Expect: 100-continue",
                                    length=10**9))
        assert answer.status == 200 and answer.json()["applied"] is False
        wire.assert_turned_away(answer)


def test_an_expecting_client_with_a_wanted_model_gets_100_first(service, client):
    with client.session({"strategy": "polynomial_decay"}) as session, service.wire() as wire:
        wire.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
        assert wire.head()[0] == 100
        answer = wire.complete(GOOD)
        assert answer.status == 200 and answer.json()["applied"] is True
        wire.assert_goes_on(answer)


@pytest.mark.parametrize("target,status", [("/v1/sessions/absent/parameters", 404),
                                           ("{s}/parameters?x=1", 400),
                                           ("{s}/parameters?step=1", 409)])
@pytest.mark.parametrize("told", [True, False], ids=["length", "pieces"])
def test_an_error_before_a_large_body_reaches_a_client_that_sends_it_all(
        fixed, service, target, status, told):
    size, piece = 50_000_000, bytes(1_000_000)
    with service.wire() as wire:
        wire.open(Request("POST", target.format(s=fixed.path), b"",
                          f"Content-Type: {SAFETENSORS}", length=size if told else UNTOLD))
        for _ in range(size // 1_000_000):
            wire.more(piece)
        if not told:
            wire.end()
        answer = wire.answer()
        assert answer.status == status
        wire.assert_turned_away(answer)


def test_an_error_before_a_small_body_keeps_the_connection(fixed, service):
    with service.wire() as wire:
        answer = wire.ask(upload_to("/v1/sessions/absent", bytes(1 << 20)))
        answer.problem(404, "session-not-found")
        wire.assert_goes_on(answer)
