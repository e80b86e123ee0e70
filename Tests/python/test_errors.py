"""Wrong heads, settings and reports, over real connections; the averages never change."""

import json

import pytest

from fixed import GOOD, MODEL
from harness import SAFETENSORS, Request
from models import encode


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
    ("POST", "{s}/parameters?step=4", {"Content-Type": SAFETENSORS}, 409, "stale-step"),
    ("PUT", "{s}", {"Content-Type": SAFETENSORS}, 415, "unsupported-format"),
    ("PUT", "{s}-new", {"Content-Type": "application/vnd.numpy.npz"}, 415,
     "unsupported-format"),
    ("POST", "{s}/epochs", {"Content-Type": "image/png"}, 415, "unsupported-format"),
]


@pytest.mark.parametrize("method,path,headers,status,name", HEADS)
def test_a_head_is_refused_with_a_problem(fixed, client, method, path, headers, status, name):
    answer = client.request(method, path.format(s=fixed.path),
                            GOOD if method in ("POST", "PUT") else None, headers)
    answer.problem(status, name)
    assert answer["Connection"] != "close", "nothing is wrong with the connection"
    if status == 415 and "Content-Encoding" not in headers:
        assert answer["Accept"] if "parameters" in path else answer["Accept"] == "application/json"


@pytest.mark.parametrize("declared", [
    "application/json", "application/json; charset=utf-8", "text/json",
    "application/settings+json", "Text/Plain;charset=UTF-8", "application/octet-stream",
    "application/x-www-form-urlencoded"])
def test_json_comes_under_every_name_that_clients_give_it(client, declared):
    """A browser's fetch calls a string plain text, and curl a form."""
    with client.session({"strategy": "polynomial_decay"}) as session:
        headers = {"Content-Type": declared}
        answer = client.request("PUT", session.path, '{"strategy": "polynomial_decay"}', headers)
        assert answer.status == 200
        assert client.request("POST", f"{session.path}/epochs", '{"loss": 1}', headers).status == 200


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
    with service.wire() as wire:
        answer = wire.ask(Request("HEAD", "/v1/sessions/absent"))
        assert answer.status == 404 and answer["Content-Type"] == "application/problem+json"
        assert int(answer["Content-Length"]) > 0
        # No byte of a body came, which would be taken for the next answer.
        wire.assert_goes_on(answer)


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
    ({"strategy": "polynomial_decay", "durability": "never"}, "durability"),
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
