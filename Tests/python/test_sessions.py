"""Sessions, their averages and reports, and taking each request once."""

import itertools
import json

import numpy as np
import pytest

import oracle
from harness import Request, upload_to, wait_until_read
from models import assert_same, encode, tensor
from ordinary import UNIFORM, averaged
from ordinary import ORDINARY as MODEL


# Sessions.
def test_creating_again_is_200_with_equal_settings_and_409_with_others(client):
    settings = {"strategy": "nta", "epochs": 10}
    with client.session(settings) as session:
        spelled_out = {"averages": {"main": {
            "fallback_alpha": 0.05, "eta": 0.0, "last_n_trigger": False, "maximize": False,
            "n": 5.0, "epochs": 10.0, "strategy": "nta"}}, "non_finite": "refuse",
            "accumulator": "auto", "durability": "process"}
        parts = {"rule": {"name": "polynomial_decay", "eta": 0},
                 "trigger": {"name": "nta", "epochs": 10}}
        for same in (settings, spelled_out, parts):
            answer = client.request("PUT", session.path, same)
            assert answer.status == 200, answer
        for other in ({**settings, "n": 4}, {**settings, "non_finite": "propagate"},
                      {"averages": {"second": settings}}, {"strategy": "polynomial_decay"}):
            client.request("PUT", session.path, other).problem(409, "session-exists")


def test_a_new_session_has_revision_zero_and_says_what_it_is(client):
    with client.session({"strategy": "alpha_suffix", "epochs": 10}) as session:
        state = session.state()
        assert state["revision"] == 0 and state["incarnation"]
        main = state["averages"]["main"]
        assert (main["averaging_started"], main["average_counter"]) == (False, 0)
        assert main["losses"] == []
        assert "alpha_suffix" in json.dumps(state) and "0.75" in json.dumps(state)


def test_a_session_made_anew_is_another_incarnation(client):
    seen = set()
    for _ in range(3):
        with client.session(UNIFORM, "again") as session:
            session.fold(MODEL)
            seen.add(session.state()["incarnation"])
            seen.add(session.average()["ETag"])
    assert len(seen) == 6


def test_state_tells_what_the_session_holds(session):
    session.fold(MODEL, step=3, trainer="a")
    session.fold(MODEL, step=8)
    state = session.state()
    assert state["last_step"] == {"a": 3, "default": 8}
    layout = state["layout"]
    assert layout["tensors"] == len(MODEL)
    assert layout["elements"] == sum(value.size for value in MODEL.values())
    assert sorted(layout["latest"]) == ["mask", "steps"]
    assert state["averages"]["main"]["average_counter"] == 4 and state["revision"] == 4


def test_sessions_are_listed_in_pages_in_byte_order(start_service):
    service = start_service()
    names = ["Z", "a", "a-1", "a.1", "a1", "a_1", "b" * 128, "10", "9"]
    with service.client() as client:
        for name in reversed(names):
            client.session(UNIFORM, name)
        first = client.get("/v1/sessions").json()

        def name_of(entry):
            return entry if isinstance(entry, str) else entry["session"]

        assert [name_of(each) for each in first["sessions"]] == sorted(names)
        assert first.get("next") is None
        pages, after = [], None
        while True:
            query = {"limit": 4} | ({"after": after} if after else {})
            page = client.get("/v1/sessions", **query).json()
            pages.append([name_of(each) for each in page["sessions"]])
            after = page.get("next")
            if not after:
                break
        assert [len(page) for page in pages] == [4, 4, 1]
        assert list(itertools.chain(*pages)) == sorted(names)
        rest = client.get("/v1/sessions", after="a0").json()["sessions"]
        assert name_of(rest[0]) == "a1"


def test_deleting_ends_uploads_and_waiters_with_404(service, client):
    session = client.session(UNIFORM)
    session.fold(MODEL)
    etag = session.average()["ETag"]
    body = encode(MODEL)
    with service.wire() as upload, service.wire() as waiting, service.wire() as poll:
        upload.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(body)))
        assert upload.head()[0] == 100
        upload.more(body[:50])
        waiting.open(upload_to(session.path, body))
        poll.open(Request("GET", f"{session.path}/averages/main", b"",
                          f"If-None-Match: {etag}", "Prefer: wait=60"))
        for wire in (waiting, poll):
            wait_until_read(wire.socket)
        assert client.request("DELETE", session.path).status == 204
        for wire in (upload, waiting, poll):
            wire.answer().problem(404, "session-not-found")
    client.request("DELETE", session.path).problem(404, "session-not-found")
    with client.session(UNIFORM, session.name) as again:
        assert again.state()["revision"] == 0


def test_several_averages_are_fed_by_one_upload(client):
    settings = {"averages": {
        "mean": {"rule": {"name": "uniform"}}, "eta": {"strategy": "polynomial_decay", "eta": 2},
        "ema": {"rule": {"name": "ema", "decay": 0.75}}, "last": {"rule": {"name": "latest"}},
        "suffix": {"strategy": "alpha_suffix", "epochs": 2, "alpha": 0.5},
        "slow": {"rule": {"name": "ema", "decay": 0.9},
                 "trigger": {"name": "nta", "epochs": 9, "n": 1, "last_n_trigger": True}}}}
    random, ideal = np.random.default_rng(3), oracle.Session(settings)
    with client.session(settings) as session:
        for epoch, loss in enumerate((3, 2, 2.5, 1), 1):
            for _ in range(3):
                model = {"w": random.standard_normal((7, 5)).astype(np.float32)}
                answer = session.fold(model)
                applied = ideal.apply(model)
                assert {name: each["applied"] for name, each in answer["averages"].items()} \
                    == applied
                assert answer["applied"]
            assert session.report(loss, epoch).status == 200
            ideal.report(loss, epoch)
        for name in settings["averages"]:
            assert ideal[name].started
            assert_same(session.average(name).model(), ideal[name].model)


def test_accumulators_are_as_wide_as_asked_for(client):
    random = np.random.default_rng(4)
    models = [{name: tensor(random.standard_normal(50), name) for name in
               ("F64", "F32", "F16", "BF16")} for _ in range(9)]
    for kind in ("auto", "F64"):
        with client.session({**UNIFORM, "accumulator": kind}) as session:
            for model in models:
                session.fold(model)
            expected = averaged(*models, accumulator=kind)
            assert {each.dtype for each in expected.values()} == (
                {"F64"} if kind == "F64" else {"F64", "F32"})
            assert_same(session.average().model(), expected)


def test_the_element_type_of_floats_may_vary_between_uploads(client):
    random = np.random.default_rng(6)
    order = ["F32", "F64", "BF16", "F16", "F32"]
    models = [{"w": tensor(random.standard_normal(1000), dtype)} for dtype in order]
    with client.session(UNIFORM) as session:
        for model in models:
            session.fold(model)
        assert_same(session.average().model(), averaged(*models))


def test_the_order_of_tensors_may_vary_between_uploads(client):
    with client.session(UNIFORM) as session:
        session.fold(MODEL)
        session.fold(dict(reversed(MODEL.items())))
        assert_same(session.average().model(), averaged(MODEL, MODEL))


def test_non_finite_values_propagate_where_that_was_asked_for(client):
    first = {"w": np.array([1, np.inf, -np.inf, np.nan, 3e38], np.float32)}
    second = {"w": np.array([2, 1, np.inf, 1, -3e38], np.float32)}
    with client.session({**UNIFORM, "non_finite": "propagate"}) as session:
        session.fold(first)
        session.fold(second)
        assert_same(session.average().model(), averaged(first, second))


def test_denormals_are_kept(client):
    models = [{"w": np.array([1e-45, 5e-42, -1e-40, 1.2e-38], np.float32) * np.float32(factor)}
              for factor in (1, 3, 5)]
    with client.session(UNIFORM) as session:
        for model in models:
            session.fold(model)
        expected = averaged(*models)
        assert_same(session.average().model(), expected)
        assert (expected["w"].data != 0).all()


# Exactly once.
def test_a_step_is_folded_once(client):
    with client.session(UNIFORM) as session:
        first = session.fold(MODEL, step=0, trainer="a")
        again = session.upload({"x": np.ones(1)}, step=0, trainer="a").json()
        assert again.pop("duplicate") is True and again == first
        assert session.fold(MODEL, step=0, trainer="b")["revision"] == 2
        assert session.fold(MODEL, step=7, trainer="a")["revision"] == 3
        problem = session.upload(MODEL, step=6, trainer="a").problem(409, "stale-step")
        assert "7" in json.dumps(problem)
        assert session.state()["averages"]["main"]["average_counter"] == 3


def test_a_step_before_the_start_is_not_kept(client):
    with client.session({"strategy": "alpha_suffix", "epochs": 1}) as session:
        assert session.fold(MODEL, step=5)["applied"] is False
        assert session.fold(MODEL, step=5)["applied"] is False
        assert session.state()["revision"] == 0
        assert session.report(None, 1).status == 200
        answer = session.fold(MODEL, step=5)
        assert answer["applied"] is True and "duplicate" not in answer


def test_an_idempotency_key_repeats_the_answer(client):
    with client.session(UNIFORM) as session:
        key = {"Idempotency-Key": "k-1"}
        first = session.upload(MODEL, key)
        again = session.upload(MODEL, key)
        assert first.status == again.status == 200
        assert {**again.json(), "duplicate": None} == {**first.json(), "duplicate": None}
        assert session.upload(MODEL, {"Idempotency-Key": "k-2"}).json()["revision"] == 2
        assert session.fold(MODEL)["revision"] == 3, "without key or step it is folded each time"
        report = {"Idempotency-Key": "r-1"}
        path = f"{session.path}/epochs"
        for _ in range(2):
            answer = client.request("POST", path, {"loss": 1, "epoch": 1}, report)
            assert answer.status == 200 and answer.json()["revision"] == 4
        assert session.state()["revision"] == 4


def test_a_failed_request_does_not_use_up_its_key_or_step(client):
    with client.session(UNIFORM) as session:
        key = {"Idempotency-Key": "k"}
        session.upload(b"broken", key, step=1).problem(400, "malformed-model")
        answer = session.upload(MODEL, key, step=1)
        assert answer.status == 200 and answer.json()["revision"] == 1, answer


def test_uploads_take_turns_in_the_order_of_admission(service, client):
    # The first holds its turn; the others have all sent their bodies and wait for it.
    with client.session({"rule": {"name": "latest"}}) as session:
        bodies = [encode({"w": np.full(1000, index, np.float32)}) for index in range(6)]
        first = service.wire()
        first.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(bodies[0])))
        assert first.head()[0] == 100
        others = []
        for body in bodies[1:]:
            wire = service.wire()
            wire.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(body)))
            others.append(wire)
            # 100 is only said to an upload that has taken its place.
            assert wire.head()[0] == 100
            wire.more(body)
        assert first.complete(bodies[0]).json()["revision"] == 1
        revisions = [wire.answer().json()["revision"] for wire in others]
        assert revisions == [2, 3, 4, 5, 6]
        assert (session.average().model()["w"].data == 5).all()
        for wire in [first, *others]:
            wire.close()


# Health and description.
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/readyz?verbose"])
def test_health_is_ok(client, path):
    assert client.get(path).status == 200


def test_reports_say_what_they_did(client):
    with client.session({"strategy": "alpha_suffix", "epochs": 4, "alpha": 0.5}) as session:
        first = session.report(2.0, 1).json()
        assert first["session"] == session.name and first["revision"] == 1
        assert first["wants_parameters"] is False
        main = first["averages"]["main"]
        assert (main["averaging_started"], main["started_now"]) == (False, False)
        second = session.report(1.5, 2).json()
        assert second["wants_parameters"] is True and second["revision"] == 2
        assert client.request("POST", f"{session.path}/epochs", {"loss": 1}).status == 200, \
            "the epoch is 0 unless given"


def test_reports_wait_for_the_uploads_before_them(service, client):
    with client.session(UNIFORM) as session, service.wire() as upload, \
            service.wire() as report:
        body = encode(MODEL)
        upload.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(body)))
        assert upload.head()[0] == 100
        report.open(Request("POST", f"{session.path}/epochs", b'{"loss":1,"epoch":1}',
                            "Content-Type: application/json"))
        wait_until_read(report.socket)
        assert upload.complete(body).json()["revision"] == 1
        assert report.answer().json()["revision"] == 2
