"""Every error that a client can provoke, over real connections; the averages never change."""

import json
import select
import struct
import subprocess

import numpy as np
import pytest

from harness import SAFETENSORS, eventually, request_bytes, upload_bytes
from models import encode, file_of

MODEL = {"b": np.arange(4, dtype=np.float32), "w": np.ones((2, 3), np.float32)}
GOOD = encode(MODEL)


class Fixed:
    """A session with one folded model, and a second one that has not started."""

    def __init__(self, session, waiting):
        self.session, self.waiting, self.path = session, waiting, session.path

    def look(self):
        answer = self.session.average()
        return answer.status, answer["ETag"], answer.body, self.session.state()["revision"]


@pytest.fixture(scope="module")
def fixed_sessions(service):
    with service.client() as client:
        with client.session({"strategy": "polynomial_decay"}, "errors") as session, \
                client.session({"strategy": "nta", "epochs": 100}, "errors-waiting") as waiting:
            session.fold(MODEL, step=5)
            session.upload(MODEL, {"Idempotency-Key": "taken"})
            yield Fixed(session, waiting)


@pytest.fixture
def fixed(fixed_sessions):
    """The two sessions; whatever the test did, the average is the same afterwards."""
    before = fixed_sessions.look()
    yield fixed_sessions
    assert fixed_sessions.look() == before


# Requests whose head is refused. {s} is the session's path; the answer must not need a body.
HEADS = [
    ("GET", "/nothing", {}, 404, "not-found"),
    ("GET", "/v1", {}, 404, "not-found"),
    ("GET", "/v1/sessions/absent", {}, 404, "session-not-found"),
    ("DELETE", "/v1/sessions/absent", {}, 404, "session-not-found"),
    ("GET", "/v1/sessions/absent/averages/main", {}, 404, "session-not-found"),
    ("GET", "/v1/sessions/absent/cached", {}, 404, "session-not-found"),
    ("GET", "{s}/averages/other", {}, 404, "average-not-found"),
    ("GET", "{s}/averages/main/tensors/absent", {}, 404, "tensor-not-found"),
    ("GET", "{s}/averages/main/tensors?name=absent", {}, 404, "tensor-not-found"),
    ("GET", "{s}-waiting/averages/main", {}, 404, "averaging-not-started"),
    ("GET", "{s}-waiting/averages/main/tensors/w", {}, 404, "averaging-not-started"),
    ("GET", "{s}/nothing", {}, 404, "not-found"),
    ("GET", "{s}/averages/main?other=1", {}, 400, "unknown-parameter"),
    ("GET", "/v1/sessions?other=1", {}, 400, "unknown-parameter"),
    ("GET", "{s}?other=1", {}, 400, "unknown-parameter"),
    ("GET", "{s}/averages/main?format=pt", {}, 406, "not-acceptable"),
    ("GET", "{s}/averages/main?dtype=F8", {}, 406, "not-acceptable"),
    ("GET", "{s}/averages/main", {"Accept": "image/png"}, 406, "not-acceptable"),
    ("GET", "{s}/averages/main/tensors/w", {"Accept": "image/png"}, 406, "not-acceptable"),
    ("GET", "{s}/averages/main", {"If-Match": '"other"'}, 412, "precondition-failed"),
    ("GET", "{s}/averages/main", {"Range": "bytes=1000000-"}, 416, "range-not-satisfiable"),
    ("GET", "{s}/averages/main", {"Range": "bytes=-0"}, 416, "range-not-satisfiable"),
    ("POST", "{s}/parameters?stp=1", {"Content-Type": SAFETENSORS}, 400, "unknown-parameter"),
    ("POST", "{s}/parameters", {"Content-Type": "text/plain"}, 415, "unsupported-format"),
    ("POST", "{s}/parameters", {"Content-Type": "application/x-pickle"}, 415,
     "unsupported-format"),
    ("POST", "{s}/parameters", {"Content-Type": SAFETENSORS, "Content-Encoding": "br"}, 415,
     "unsupported-format"),
    ("POST", "{s}/epochs", {"Content-Type": "text/plain"}, 415, "unsupported-format"),
    ("POST", "{s}/parameters?step=4", {"Content-Type": SAFETENSORS}, 409, "stale-step"),
]


@pytest.mark.parametrize("method,path,headers,status,name", HEADS)
def test_a_head_is_refused_with_a_problem(fixed, client, method, path, headers, status, name):
    answer = client.request(method, path.format(s=fixed.path), GOOD if method == "POST" else None,
                            headers)
    answer.problem(status, name)
    assert answer["Connection"] != "close", "nothing is wrong with the connection"


@pytest.mark.parametrize("method,path,allowed", [
    ("POST", "/v1/sessions", "GET"), ("PATCH", "{s}", "PUT GET DELETE"),
    ("POST", "{s}", "PUT GET DELETE"), ("GET", "{s}/parameters", "POST"),
    ("DELETE", "{s}/epochs", "POST"), ("PUT", "{s}/averages/main", "GET"),
    ("DELETE", "{s}/averages/main/tensors/w", "GET"), ("POST", "{s}/cached", "PUT GET DELETE"),
    ("DELETE", "/livez", "GET")])
def test_a_wrong_method_is_answered_with_the_right_ones(fixed, client, method, path, allowed):
    answer = client.request(method, path.format(s=fixed.path))
    answer.problem(405, "method-not-allowed")
    named = {each.strip() for each in answer["Allow"].split(",")}
    assert set(allowed.split()) <= named
    assert method not in named


def test_a_head_request_is_refused_without_a_body(fixed, service):
    with service.raw() as raw:
        answer = raw.ask(request_bytes("HEAD", "/v1/sessions/absent"), "HEAD")
        assert answer.status == 404 and answer["Content-Type"] == "application/problem+json"
        assert int(answer["Content-Length"]) > 0
        assert raw.ask(request_bytes("GET", "/livez")).status == 200, "no byte of a body came"


def test_a_416_tells_the_length(fixed, client):
    whole = client.get(f"{fixed.path}/averages/main")
    answer = client.get(f"{fixed.path}/averages/main", {"Range": "bytes=99999-"})
    answer.problem(416, "range-not-satisfiable")
    assert answer["Content-Range"] == f"bytes */{len(whole.body)}"


def test_every_problem_has_a_page(fixed, client):
    problem = client.get("/v1/sessions/absent").json()
    page = client.get(problem["type"])
    assert page.status == 200 and page.body
    client.get("/problems/absent").problem(404, "not-found")


# Settings that are refused, and the key that the answer must name.
BAD_SETTINGS = [
    ({}, ""), ({"averages": {}}, "averages"),
    ({"strategy": "nta"}, "epochs"), ({"strategy": "alpha_suffix"}, "epochs"),
    ({"strategy": "alpha_suffix", "epochs": 0}, "epochs"),
    ({"strategy": "alpha_suffix", "epochs": 1.5}, "epochs"),
    ({"strategy": "alpha_suffix", "epochs": "10"}, "epochs"),
    ({"strategy": "alpha_suffix", "epochs": True}, "epochs"),
    ({"strategy": "alpha_suffix", "epochs": 10, "alpha": -0.1}, "alpha"),
    ({"strategy": "alpha_suffix", "epochs": 10, "alpha": 1.1}, "alpha"),
    ({"strategy": "alpha_suffix", "epochs": 10, "n": 5}, "n"),
    ({"strategy": "nta", "epochs": 10, "fallback_alpha": 2}, "fallback_alpha"),
    ({"strategy": "nta", "epochs": 10, "n": 1.5}, "n"),
    ({"strategy": "nta", "epochs": 10, "maximize": 1}, "maximize"),
    ({"strategy": "nta", "epochs": 10, "last_n_trigger": "yes"}, "last_n_trigger"),
    ({"strategy": "polynomial_decay", "eta": -1}, "eta"),
    ({"strategy": "polynomial_decay", "eta": None}, "eta"),
    ({"strategy": "polynomial_decay", "epochs": 3}, "epochs"),
    ({"strategy": "swa"}, "strategy"),
    ({"strategy": "nta", "epochs": 3, "rule": {"name": "uniform"}}, "rule"),
    ({"strategy": "nta", "epochs": 3, "trigger": {"name": "immediate"}}, "trigger"),
    ({"rule": {"name": "median"}}, "rule.name"), ({"trigger": {"name": "never"}}, "trigger.name"),
    ({"rule": {"name": "ema", "decay": 1.01}}, "rule.decay"),
    ({"rule": {"name": "ema", "decay": -0.01}}, "rule.decay"),
    ({"rule": {"name": "uniform", "eta": 1}}, "eta"),
    ({"strategy": "polynomial_decay", "colour": "red"}, "colour"),
    ({"averages": {"main": {"strategy": "polynomial_decay", "colour": "red"}}}, "main"),
    ({"averages": {".hidden": {"strategy": "polynomial_decay"}}}, ".hidden"),
    ({"averages": {"a b": {"strategy": "polynomial_decay"}}}, "a b"),
    ({"averages": {f"a{n}": {"rule": {"name": "uniform"}} for n in range(33)}}, "averages"),
    ({"strategy": "polynomial_decay", "accumulator": "BF16"}, "accumulator"),
    ({"strategy": "polynomial_decay", "non_finite": "ignore"}, "non_finite"),
    ({"strategy": "polynomial_decay", "durability": "disk"}, "durability"),
    ([], ""), ("nta", ""),
]


@pytest.mark.parametrize("settings,key", BAD_SETTINGS, ids=lambda each: str(each)[:60])
def test_wrong_settings_are_named(fixed, client, settings, key):
    answer = client.request("PUT", "/v1/sessions/wrong", json.dumps(settings),
                            {"Content-Type": "application/json"})
    problem = answer.problem(422, "invalid-settings")
    assert key in json.dumps(problem)
    client.get("/v1/sessions/wrong").problem(404, "session-not-found")


def test_a_session_needs_a_body(fixed, client):
    client.request("PUT", "/v1/sessions/wrong").problem(422, "invalid-settings")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999"])
def test_settings_are_finite(fixed, client, literal):
    answer = client.request("PUT", "/v1/sessions/wrong",
                            '{"strategy":"polynomial_decay","eta":%s}' % literal)
    assert answer.status in (400, 422)
    answer.problem(answer.status, "malformed-json" if answer.status == 400 else "invalid-settings")


@pytest.mark.parametrize("text", [
    "{", "nonsense", '{"strategy":"polynomial_decay"', '{"strategy":"polynomial_decay",}',
    '{"strategy":"polynomial_decay"} x', '{"strategy":"polynomial_decay","strategy":"nta"}',
    "{'strategy':'polynomial_decay'}", '{"strategy":"poly\nnomial"}', "[" * 100 + "]" * 100,
    b'{"strategy":"\xff"}', '{"eta":01}', '{"strategy":"\\ud800"}'])
def test_json_is_strict(fixed, client, text):
    client.request("PUT", "/v1/sessions/wrong", text).problem(400, "malformed-json")
    client.get("/v1/sessions/wrong").problem(404, "session-not-found")


@pytest.mark.parametrize("name", [".hidden", "..", "a%20b", "a%2Fb", "%C3%A4", "x" * 129, "a%00b",
                                  "a+b", "a%zz"])
def test_a_session_name_that_cannot_be_is_refused(fixed, client, name):
    answer = client.request("PUT", f"/v1/sessions/{name}", {"strategy": "polynomial_decay"})
    assert answer.status in (400, 404, 422), answer
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("body,status,name", [
    ('{"loss":NaN,"epoch":1}', 422, "invalid-report"),
    ('{"loss":Infinity,"epoch":1}', 422, "invalid-report"),
    ('{"loss":-Infinity,"epoch":1}', 422, "invalid-report"),
    ('{"loss":"NaN","epoch":1}', 422, "invalid-report"),
    ('{"loss":"1","epoch":1}', 422, "invalid-report"),
    ('{"loss":1e400,"epoch":1}', 422, "invalid-report"),
    ('{"loss":-1e400,"epoch":1}', 422, "invalid-report"),
    ('{"loss":null,"epoch":1}', 422, "invalid-report"), ('{"epoch":1}', 422, "invalid-report"),
    ('{"loss":true,"epoch":1}', 422, "invalid-report"),
    ('{"loss":1,"epoch":-1}', 422, "invalid-report"),
    ('{"loss":1,"epoch":1.5}', 422, "invalid-report"),
    ('{"loss":1,"epoch":"1"}', 422, "invalid-report"),
    ('{"loss":1,"epoch":1e30}', 422, "invalid-report"),
    ('{"loss":1,"epoch":1,"other":1}', 422, "invalid-report"),
    ("[1]", 422, "invalid-report"),
    ('{"loss":1', 400, "malformed-json")])
def test_a_wrong_report_is_refused_and_not_logged(fixed, client, body, status, name):
    before = fixed.waiting.state()
    answer = client.request("POST", f"{fixed.waiting.path}/epochs", body,
                            {"Content-Type": "application/json"})
    answer.problem(status, name)
    assert fixed.waiting.state() == before


def test_a_session_exists_only_with_equal_settings(fixed, client):
    answer = client.request("PUT", fixed.path, {"strategy": "polynomial_decay", "eta": 1})
    answer.problem(409, "session-exists")


# Models that are refused when read to the end.
def entry(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


B, W = entry(), entry(shape=(2, 3), offsets=(16, 40))
DATA = bytes(40)
BAD_MODELS = [
    ("no bytes", b"", "malformed-model"),
    ("only a length", GOOD[:8], "malformed-model"),
    ("cut in the header", GOOD[:30], "malformed-model"),
    ("cut in the data", GOOD[:-1], "malformed-model"),
    ("a byte too many", GOOD + b"x", "malformed-model"),
    ("length 0", struct.pack("<Q", 0), "malformed-model"),
    ("header is no JSON", file_of("{nonsense", DATA), "malformed-model"),
    ("header is a list", file_of("[]", b""), "malformed-model"),
    ("header is not UTF-8", file_of(b'{"\xff":{}}', b""), "malformed-model"),
    ("trailing comma", file_of('{"b":%s,}' % json.dumps(B), DATA[:16]), "malformed-model"),
    ("duplicate name", file_of('{"b":%s,"b":%s}' % (json.dumps(B), json.dumps(B)), DATA[:16]),
     "malformed-model"),
    ("gap", file_of({"b": B, "w": entry(shape=(2, 3), offsets=(20, 44))}, bytes(44)),
     "malformed-model"),
    ("overlap", file_of({"b": B, "w": entry(shape=(2, 3), offsets=(12, 36))}, bytes(36)),
     "malformed-model"),
    ("begins late", file_of({"b": entry(offsets=(8, 24))}, bytes(24)), "malformed-model"),
    ("backwards", file_of({"b": entry(offsets=(16, 0))}, DATA), "malformed-model"),
    ("negative", file_of({"b": entry(offsets=(-16, 0))}, DATA), "malformed-model"),
    ("size is not the shape's", file_of({"b": entry(shape=(5,))}, DATA[:16]), "malformed-model"),
    ("negative dimension", file_of({"b": entry(shape=(-2, -2))}, DATA[:16]), "malformed-model"),
    ("product overflows", file_of({"b": entry(shape=(2**33, 2**33))}, DATA[:16]),
     "malformed-model"),
    ("no shape", file_of({"b": {"dtype": "F32", "data_offsets": [0, 16]}}, DATA[:16]),
     "malformed-model"),
    ("metadata of numbers", file_of({"__metadata__": {"a": 1}, "b": B, "w": W}, DATA),
     "malformed-model"),
    ("another type of tensor", file_of({"b": entry("F8_E4M3", (16,)), "w": W}, DATA),
     "unsupported-format"),
    ("a tensor missing", encode({"w": MODEL["w"]}), "layout-mismatch"),
    ("a tensor more", encode({**MODEL, "x": MODEL["w"]}), "layout-mismatch"),
    ("another name", encode({"w": MODEL["w"], "c": MODEL["b"]}), "layout-mismatch"),
    ("another shape", encode({**MODEL, "w": MODEL["w"].T}), "layout-mismatch"),
    ("another rank", encode({**MODEL, "w": MODEL["w"].ravel()}), "layout-mismatch"),
    ("an integer", encode({**MODEL, "w": np.ones((2, 3), np.int32)}), "layout-mismatch"),
    ("no tensor at all", encode({}), "layout-mismatch"),
    ("NaN", encode({**MODEL, "w": np.full((2, 3), np.nan, np.float32)}), "non-finite"),
    ("F64 beyond F32", encode({**MODEL, "w": np.full((2, 3), 1e300)}), "non-finite"),
]
STATUS = {"malformed-model": 400, "unsupported-format": 415, "layout-mismatch": 422,
          "non-finite": 422}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("body,name", [each[1:] for each in BAD_MODELS],
                         ids=[each[0] for each in BAD_MODELS])
def test_a_bad_model_leaves_no_trace(fixed, client, body, name, chunked):
    sent = (body[at:at + 7] for at in range(0, len(body), 7)) if chunked else body
    answer = client.request("POST", f"{fixed.path}/parameters", sent,
                            {"Content-Type": SAFETENSORS}, chunked=chunked)
    answer.problem(STATUS[name], name)


UNREADABLE = [each for each in BAD_MODELS if STATUS[each[2]] != 422]


@pytest.mark.parametrize("body", [each[1] for each in UNREADABLE],
                         ids=[each[0] for each in UNREADABLE])
def test_a_first_model_is_checked_as_well(fixed, client, body):
    with client.session({"strategy": "polynomial_decay"}) as session:
        assert session.upload(body).status in (400, 415)
        assert session.state()["revision"] == 0
        session.average().problem(404, "averaging-not-started")
        session.fold({"other": np.ones(3)})


def test_a_layout_mismatch_tells_the_tensor_and_both_sides(fixed):
    answer = fixed.session.upload({**MODEL, "w": np.ones((3, 2), np.float32)})
    problem = answer.problem(422, "layout-mismatch")
    assert problem["tensor"] == "w"
    assert "2" in str(problem["expected"]) and "3" in str(problem["received"])
    assert problem["expected"] != problem["received"]


def test_a_non_finite_result_tells_tensor_and_index(fixed):
    values = np.ones((2, 3), np.float32)
    values[1, 1] = np.inf
    problem = fixed.session.upload({**MODEL, "w": values}).problem(422, "non-finite")
    assert problem["tensor"] == "w" and problem["index"] == 4


def test_finite_values_whose_difference_overflows_are_refused(client):
    with client.session({"strategy": "polynomial_decay"}) as session:
        session.fold({"w": np.full(5, 3e38, np.float32)})
        before = session.average()
        problem = session.upload({"w": np.array([0, 0, 0, -3e38, 0], np.float32)}) \
            .problem(422, "non-finite")
        assert problem["index"] == 3
        after = session.average()
        assert (after.body, after["ETag"]) == (before.body, before["ETag"])


def test_a_malformed_model_tells_where(fixed):
    problem = fixed.session.upload(file_of({"b": entry(shape=(5,))}, DATA[:16])) \
        .problem(400, "malformed-model")
    assert problem["tensor"] == "b"
    assert "offset" in fixed.session.upload(GOOD[:-3]).problem(400, "malformed-model")


@pytest.mark.parametrize("query", ["step=-1", "step=x", "step=", "step=1.5", "step=6&step=7",
                                   "step=99999999999999999999", "trainer=", "weight=1x"])
def test_a_wrong_parameter_value_is_refused(fixed, client, query):
    answer = client.request("POST", f"{fixed.path}/parameters?{query}", GOOD,
                            {"Content-Type": SAFETENSORS})
    assert answer.status in (400, 422), answer
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x"])
def test_a_wrong_page_size_is_refused(fixed, client, query):
    answer = client.get(f"/v1/sessions?{query}")
    assert answer.status in (400, 422), answer


def test_an_idempotency_key_is_for_one_request(fixed, client):
    path, key = f"{fixed.path}/parameters", {"Content-Type": SAFETENSORS,
                                             "Idempotency-Key": "taken"}
    other = encode({**MODEL, "b": MODEL["b"] + 1})
    client.request("POST", path, other, key).problem(422, "idempotency-key-reused")
    client.request("POST", path + "?trainer=t", GOOD, key).problem(422, "idempotency-key-reused")
    client.request("POST", f"{fixed.path}/epochs", {"loss": 1, "epoch": 1},
                   {"Idempotency-Key": "taken"}).problem(422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["x" * 256, "", "a b", "\u00e4"])
def test_an_idempotency_key_that_cannot_be_is_refused(fixed, client, key):
    answer = client.request("POST", f"{fixed.path}/parameters", GOOD,
                            {"Content-Type": SAFETENSORS, "Idempotency-Key": key})
    assert answer.status in (400, 422), answer
    assert answer["Content-Type"] == "application/problem+json"


# Framing: whatever is wrong in it, one answer comes, and then the connection ends.
def lines(*each):
    return "\r\n".join([*each, "", ""]).encode()


POST = "POST {s}/parameters HTTP/1.1"
FRAMING = [
    ("no version", lines("GET /livez", "Host: h"), 400, "malformed-request"),
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400,
     "malformed-request"),
    ("no host", lines("GET /livez HTTP/1.1"), 400, "malformed-request"),
    ("two hosts", lines("GET /livez HTTP/1.1", "Host: a", "Host: b"), 400, "malformed-request"),
    ("HTTP/2.0", lines("GET /livez HTTP/2.0", "Host: h"), 505, "version-not-supported"),
    ("HTTP/1.10", lines("GET /livez HTTP/1.10", "Host: h"), None, None),
    ("space before the colon", lines("GET /livez HTTP/1.1", "Host : h"), 400,
     "malformed-request"),
    ("folded field", lines("GET /livez HTTP/1.1", "Host: h", "X: a", " b"), 400,
     "malformed-request"),
    ("NUL in a field", lines("GET /livez HTTP/1.1", "Host: h", "X: a\0b"), 400,
     "malformed-request"),
    ("bare LF", b"GET /livez HTTP/1.1\nHost: h\n\n", 400, "malformed-request"),
    ("bare CR", b"GET /livez HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400, "malformed-request"),
    ("space in the target", lines("GET /live z HTTP/1.1", "Host: h"), 400, "malformed-request"),
    ("two lengths", lines(POST, "Host: h", "Content-Length: 4", "Content-Length: 5"), 400,
     "malformed-request"),
    ("length and chunked", lines(POST, "Host: h", "Content-Length: 4",
                                 "Transfer-Encoding: chunked"), 400, "malformed-request"),
    ("negative length", lines(POST, "Host: h", "Content-Length: -1"), 400, "malformed-request"),
    ("length with a sign", lines(POST, "Host: h", "Content-Length: +4"), 400,
     "malformed-request"),
    ("length beyond 64 bits", lines(POST, "Host: h", f"Content-Length: {2**64}"), None, None),
    ("unknown coding", lines(POST, "Host: h", "Transfer-Encoding: gzip"), None, None),
    ("chunked twice", lines(POST, "Host: h", "Transfer-Encoding: chunked, chunked"), None, None),
    ("chunked in HTTP/1.0", lines("POST {s}/parameters HTTP/1.0", "Host: h",
                                  "Transfer-Encoding: chunked"), 400, "malformed-request"),
    ("bad chunk size", lines(POST, "Host: h", "Transfer-Encoding: chunked") + b"xyz\r\n", 400,
     "malformed-request"),
    ("chunk size too large", lines(POST, "Host: h", "Transfer-Encoding: chunked") +
     b"fffffffffffffffff\r\n", None, None),
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


@pytest.mark.parametrize("data,status,name", [each[1:] for each in FRAMING],
                         ids=[each[0] for each in FRAMING])
def test_a_framing_error_ends_the_connection_after_one_answer(fixed, service, data, status, name):
    data = data.replace(b"{s}", fixed.path.encode())
    with service.raw() as raw:
        # The second request must never be looked at: its framing cannot be trusted.
        raw.send(data + request_bytes("GET", "/livez"))
        answer = raw.answer()
        if status:
            answer.problem(status, name)
        else:
            assert answer.status in (400, 413, 501, 505), answer
            assert answer["Content-Type"] == "application/problem+json"
        assert answer["Connection"] == "close"
        raw.finish()
        assert raw.rest() == b""


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


def test_a_post_needs_a_length_or_chunks(fixed, service):
    with service.raw() as raw:
        answer = raw.ask(lines(f"POST {fixed.path}/parameters HTTP/1.1", "Host: h",
                               f"Content-Type: {SAFETENSORS}"))
        answer.problem(411, "length-required")


def test_another_expectation_fails(fixed, service):
    with service.raw() as raw:
        answer = raw.ask(upload_bytes(fixed.path, b"", "Expect: tea", length=10))
        answer.problem(417, "expectation-failed")


# Precedence: of two things that are wrong, the one that is named earlier is told.
HUGE = 2**40
PRECEDENCE = [
    ("framing before 404", "POST /absent", ["Transfer-Encoding: chunked", "Content-Length: 1"],
     400, "malformed-request"),
    ("404 before the query", "POST /v1/sessions/absent/parameters?x=1", ["Content-Length: 0"], 404,
     "session-not-found"),
    ("405 before the query", "PUT {s}/parameters?x=1", ["Content-Length: 0"], 405,
     "method-not-allowed"),
    ("query before 415", "POST {s}/parameters?x=1", ["Content-Type: text/plain",
                                                     "Content-Length: 0"], 400,
     "unknown-parameter"),
    ("415 before 413", "POST {s}/parameters", ["Content-Type: text/plain",
                                               f"Content-Length: {HUGE}"], 415,
     "unsupported-format"),
    ("413 before the step", "POST {s}/parameters?step=1", [f"Content-Type: {SAFETENSORS}",
                                                           f"Content-Length: {HUGE}"], 413,
     "too-large"),
    ("step before the format", "POST {s}/parameters?step=1", [f"Content-Type: {SAFETENSORS}",
                                                              "Content-Length: 0"], 409,
     "stale-step"),
    ("key before the step", "POST {s}/parameters?step=1", [
        f"Content-Type: {SAFETENSORS}", "Idempotency-Key: taken", "Content-Length: 0"], 422,
     "idempotency-key-reused"),
]


@pytest.mark.parametrize("target,fields,status,name", [each[1:] for each in PRECEDENCE],
                         ids=[each[0] for each in PRECEDENCE])
def test_precedence(fixed, service, target, fields, status, name):
    with service.raw() as raw:
        raw.send(lines(target.format(s=fixed.path) + " HTTP/1.1", "Host: h", *fields))
        raw.answer().problem(status, name)


def test_the_format_comes_before_the_layout_and_that_before_the_values(fixed):
    nan = np.full((3, 2), np.nan, np.float32)
    fixed.session.upload(encode({"x": nan})[:-1]).problem(400, "malformed-model")
    fixed.session.upload({"x": nan}).problem(422, "layout-mismatch")


# Early answers.
@pytest.mark.parametrize("path,status,name", [
    ("/v1/sessions/absent", 404, "session-not-found"),
    ("{s}?step=1", 409, "stale-step")])
def test_an_expecting_client_gets_the_refusal_instead_of_100(fixed, service, path, status, name):
    path, _, query = path.format(s=fixed.path).partition("?")
    target = f"{path}/parameters" + (f"?{query}" if query else "")
    with service.raw() as raw:
        raw.send(request_bytes("POST", target, b"", f"Content-Type: {SAFETENSORS}",
                               "Expect: 100-continue", length=len(GOOD)))
        answer = raw.answer()
        answer.problem(status, name)
        assert answer["Connection"] == "close"


def test_a_model_that_will_not_be_used_is_never_sent(fixed, service):
    with service.raw() as raw:
        raw.send(upload_bytes(fixed.waiting.path, b"", "Expect: 100-continue", length=10**9))
        answer = raw.answer()
        assert answer.status == 200 and answer["Connection"] == "close"
        assert answer.json()["applied"] is False
        raw.finish()
        assert raw.rest() == b""


def test_an_expecting_client_with_a_wanted_model_gets_100_first(service, client):
    with client.session({"strategy": "polynomial_decay"}) as session, service.raw() as raw:
        raw.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
        assert raw.head()[0] == 100
        answer = raw.ask(GOOD)
        assert answer.status == 200 and answer.json()["applied"] is True
        assert raw.ask(request_bytes("GET", "/livez")).status == 200


@pytest.mark.parametrize("target,status", [("/v1/sessions/absent/parameters", 404),
                                           ("{s}/parameters?x=1", 400),
                                           ("{s}/parameters?step=1", 409)])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_error_before_a_large_body_reaches_a_client_that_sends_it_all(
        fixed, service, target, status, chunked):
    size, piece = 50_000_000, bytes(1_000_000)
    fields = [f"Content-Type: {SAFETENSORS}"]
    if chunked:
        fields.append("Transfer-Encoding: chunked")
        piece = b"%x\r\n" % len(piece) + piece + b"\r\n"
    else:
        fields.append(f"Content-Length: {size}")
    with service.raw() as raw:
        raw.send(lines(f"POST {target.format(s=fixed.path)} HTTP/1.1", "Host: h", *fields))
        for _ in range(size // 1_000_000):
            raw.send(piece)
        if chunked:
            raw.send(b"0\r\n\r\n")
        answer = raw.answer()
        assert answer.status == status and answer["Connection"] == "close"
        raw.finish()
        assert raw.rest() == b""


def test_an_error_before_a_small_body_keeps_the_connection(fixed, service):
    with service.raw() as raw:
        answer = raw.ask(upload_bytes("/v1/sessions/absent", bytes(1 << 20)))
        answer.problem(404, "session-not-found")
        assert answer["Connection"] != "close"
        assert raw.ask(request_bytes("GET", "/livez")).status == 200


# Limits, on services of their own with small ones.
def test_sizes_beyond_the_limits_are_refused_before_they_are_read(start_service):
    service = start_service("--model-bytes", len(GOOD), "--json-bytes", 1024)
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(GOOD)
        before = session.average()
        with service.raw() as raw:
            raw.send(upload_bytes(session.path, b"", length=len(GOOD) + 1))
            problem = raw.answer().problem(413, "too-large")
            assert str(len(GOOD)) in json.dumps(problem)
        larger = encode({**MODEL, "x": np.ones(1, np.float32)})
        answer = client.request("POST", f"{session.path}/parameters", iter([larger]),
                                {"Content-Type": SAFETENSORS}, chunked=True)
        answer.problem(413, "too-large")
        with service.client() as other:
            report = '{"loss":1,"epoch":1}' + " " * 1024
            other.request("POST", f"{session.path}/epochs", report).problem(413, "too-large")
            other.request("PUT", "/v1/sessions/x", " " * 1025).problem(413, "too-large")
        after = session.average()
        assert (before.body, before["ETag"]) == (after.body, after["ETag"])


def test_a_model_header_beyond_its_limit_is_refused(start_service):
    service = start_service("--model-header-bytes", 4096)
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        long = file_of(json.dumps({"b": B}) + " " * 5000, DATA[:16])
        session.upload(long).problem(413, "too-large")
        assert session.state()["revision"] == 0


def test_sessions_beyond_the_limit_are_refused(start_service):
    service = start_service("--sessions", 2)
    with service.client() as client:
        settings = {"strategy": "polynomial_decay"}
        with client.session(settings), client.session(settings, "second"):
            answer = client.request("PUT", "/v1/sessions/third", settings)
            answer.problem(429, "quota-exceeded")
            assert client.request("PUT", "/v1/sessions/second", settings).status == 200
        with client.session(settings, "third"):
            pass


def test_kept_weights_beyond_the_limit_are_refused(start_service):
    service = start_service("--cached-bytes", 1000)
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        path = f"{session.path}/cached"
        assert client.request("PUT", path, bytes(900)).status == 201
        answer = client.request("PUT", path, bytes(900), trainer="b")
        assert answer.status in (413, 429, 507), answer
        assert client.get(path).body == bytes(900)
        assert client.request("DELETE", path).status == 204
        assert client.request("PUT", path, bytes(900), trainer="b").status == 201


def test_uploads_beyond_the_queue_are_told_to_come_back(start_service):
    service = start_service("--queued-uploads", 2)
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        head = upload_bytes(session.path, b"", "Expect: 100-continue", length=len(GOOD))
        first = service.raw()
        first.send(head)
        assert first.head()[0] == 100, "it is the first one's turn"
        waiting = [service.raw() for _ in range(4)]
        for raw in waiting:
            raw.send(upload_bytes(session.path, GOOD))

        def answered():
            return select.select([raw.socket for raw in waiting], [], [], 0)[0]

        eventually(lambda: len(answered()) >= 2, "none was refused")
        assert first.ask(GOOD).status == 200
        answers = [raw.answer() for raw in waiting]
        taken = 1 + sum(answer.status == 200 for answer in answers)
        for answer in answers:
            if answer.status != 200:
                answer.problem(429, "too-many-uploads")
                assert int(answer["Retry-After"]) >= 1
        assert taken in (2, 3)
        assert session.state()["averages"]["main"]["average_counter"] == taken
        for raw in [first, *waiting]:
            raw.socket.close()


def test_a_head_that_does_not_end_times_out(start_service):
    service = start_service("--head-timeout", "300ms")
    with service.raw() as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: h\r\n")
        answer = raw.answer()
        answer.problem(408, "request-timeout")
        assert answer["Connection"] == "close"
        assert raw.rest() == b""


def test_a_body_without_progress_times_out_and_leaves_no_trace(start_service):
    service = start_service("--body-grace", "300ms")
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(GOOD)
        before = session.average()
        with service.raw() as raw:
            raw.send(upload_bytes(session.path, GOOD[:50], length=len(GOOD)))
            answer = raw.answer()
            answer.problem(408, "request-timeout")
            assert answer["Connection"] == "close"
        after = session.average()
        assert (before.body, before["ETag"]) == (after.body, after["ETag"])
        assert session.fold(GOOD)["revision"] == 2


def test_a_stalled_upload_gives_its_turn_to_those_who_wait(start_service):
    service = start_service("--lease-window", "300ms")
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        with service.raw() as stalled:
            stalled.send(upload_bytes(session.path, b"", "Expect: 100-continue",
                                      length=len(GOOD)))
            assert stalled.head()[0] == 100
            assert session.fold(GOOD)["revision"] == 1
            stalled.answer().problem(408, "request-timeout")


def test_an_idle_connection_is_closed_without_a_word(start_service):
    service = start_service("--idle-timeout", "300ms")
    with service.raw() as raw:
        assert raw.ask(request_bytes("GET", "/livez")).status == 200
        assert raw.rest() == b""


def test_the_same_step_in_flight_is_told_to_come_back(service, client):
    with client.session({"rule": {"name": "uniform"}}) as session, service.raw() as raw:
        raw.send(request_bytes("POST", f"{session.path}/parameters?step=1", b"",
                               f"Content-Type: {SAFETENSORS}", "Expect: 100-continue",
                               length=len(GOOD)))
        assert raw.head()[0] == 100
        answer = session.upload(GOOD, step=1)
        answer.problem(409, "in-progress")
        assert int(answer["Retry-After"]) >= 1
        assert raw.ask(GOOD).status == 200
        assert session.upload(GOOD, step=1).json()["duplicate"] is True
        assert session.state()["averages"]["main"]["average_counter"] == 1


def test_the_same_key_in_flight_is_told_to_come_back(service, client):
    with client.session({"rule": {"name": "uniform"}}) as session, service.raw() as raw:
        raw.send(upload_bytes(session.path, b"", "Idempotency-Key: k", "Expect: 100-continue",
                              length=len(GOOD)))
        assert raw.head()[0] == 100
        answer = session.upload(GOOD, {"Idempotency-Key": "k"})
        answer.problem(409, "in-progress")
        assert raw.ask(GOOD).status == 200


def test_after_sigterm_uploads_in_flight_finish_and_new_ones_are_refused(start_service):
    service = start_service()
    client = service.client()
    session = client.session({"rule": {"name": "uniform"}})
    upload = service.raw()
    upload.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
    assert upload.head()[0] == 100
    waiting = service.raw()
    waiting.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
    service.process.terminate()
    # The one that has not sent its body has not begun: it may be refused or served.
    assert upload.ask(GOOD).status == 200, "the upload in flight finishes"
    status, _ = waiting.head()
    assert status in (100, 503)
    waiting.socket.close()
    assert service.process.wait(30) == 0
    upload.socket.close()


def test_a_second_sigterm_ends_it_now(start_service):
    service = start_service()
    with service.client() as client:
        session = client.session({"rule": {"name": "uniform"}})
        with service.raw() as raw:
            raw.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
            assert raw.head()[0] == 100
            service.process.terminate()
            eventually(lambda: client_is_closed(client), "the first SIGTERM is not obeyed")
            assert service.process.poll() is None, "the upload in flight keeps it"
            service.process.terminate()
            service.process.wait(10)
    service.discard()


def client_is_closed(client):
    return select.select([client.connection.sock], [], [], 0)[0]


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "polyak-test", folder],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_runtime_directory_is_507_and_harms_no_other_session(small_disk, start_service):
    service = start_service(runtime=small_disk)
    with service.client() as client:
        with client.session({"rule": {"name": "uniform"}}) as small:
            small.fold(MODEL)
            with client.session({"rule": {"name": "uniform"}}) as large:
                answer = large.upload({"w": np.ones(2_000_000, np.float32)})
                answer.problem(507, "insufficient-storage")
                assert large.state()["revision"] == 0
                small.fold(MODEL)
                large.fold({"w": np.ones(1000, np.float32)})
            with client.session({"rule": {"name": "uniform"}}) as fits:
                fits.fold({"w": np.ones(250_000, np.float32)})
                assert fits.average().status == 200
