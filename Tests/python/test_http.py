"""What HTTP users expect of the resources: conditions, ranges, types, names, keys, pages."""

import io
import itertools
import json
import threading

import numpy as np
import pytest

import oracle
from harness import SAFETENSORS, Client, eventually, request_bytes, upload_bytes
from models import Tensor, assert_same, decode, encode, tensor, widen

MODEL = {"layer/0.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
         "bias": np.array([1e-3, 70000, -1e39, 3e-8, 0.1], np.float64),
         "steps": np.array([3, -4]), "mask": np.array([[True, False]]),
         "scalar": np.array(2.5, np.float32), "none": np.zeros((0, 3), np.float32)}
UNIFORM = {"rule": {"name": "uniform"}}


def tensors(model):
    return {name: value if isinstance(value, Tensor) else tensor(value)
            for name, value in model.items()}


def averaged(*models, settings=UNIFORM, accumulator="auto"):
    average = oracle.Average(settings, accumulator)
    for model in models:
        average.apply(tensors(model))
    return average.model


@pytest.fixture
def session(client):
    """A session with two folded models."""
    with client.session(UNIFORM) as made:
        made.fold(MODEL)
        made.fold({name: (value * 3).astype(value.dtype) for name, value in MODEL.items()})
        yield made


EXPECTED = averaged(MODEL, {name: (value * 3).astype(value.dtype)
                            for name, value in MODEL.items()})


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
    with service.raw() as upload, service.raw() as waiting, service.raw() as poll:
        upload.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(body)))
        assert upload.head()[0] == 100
        upload.send(body[:50])
        waiting.send(upload_bytes(session.path, body))
        poll.send(request_bytes("GET", f"{session.path}/averages/main", b"",
                                f"If-None-Match: {etag}", "Prefer: wait=30"))
        # Only when a later request has been answered has the service surely seen the earlier.
        assert client.get("/livez").status == 200
        assert client.request("DELETE", session.path).status == 204
        for raw in (upload, waiting, poll):
            raw.answer().problem(404, "session-not-found")
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
        first = service.raw()
        first.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(bodies[0])))
        assert first.head()[0] == 100
        others = []
        for body in bodies[1:]:
            raw = service.raw()
            raw.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(body)))
            others.append(raw)
            # 100 is only said to an upload that has taken its place.
            assert raw.head()[0] == 100
            raw.send(body)
        assert first.ask(bodies[0]).json()["revision"] == 1
        revisions = [raw.answer().json()["revision"] for raw in others]
        assert revisions == [2, 3, 4, 5, 6]
        assert (session.average().model()["w"].data == 5).all()
        for raw in [first, *others]:
            raw.socket.close()


# Reading: conditions and ranges.
def test_an_etag_names_incarnation_revision_format_and_type(session):
    answer, state = session.average(), session.state()
    assert answer["ETag"] == f'"{state["incarnation"]}-2-safetensors-stored"' or \
        answer["ETag"].startswith(f'"{state["incarnation"]}-2-safetensors-')
    assert answer["Content-Type"] == SAFETENSORS
    assert answer["Polyak-Revision"] == "2" and answer["Polyak-Average-Counter"] == "2"
    assert_same(answer.model(), EXPECTED)
    _, metadata = decode(answer.body)
    assert all(isinstance(value, str) for value in metadata.values())
    assert metadata["session"] == session.name and metadata["average"] == "main"
    assert metadata["revision"] == "2"


def test_an_etag_stays_while_the_average_does(session):
    etag = session.average()["ETag"]
    assert session.report(1, 1).status == 200
    assert session.average()["ETag"] == etag, "a report changes no tensor"
    session.fold(MODEL)
    assert session.average()["ETag"] != etag


@pytest.mark.parametrize("form", ["{etag}", 'W/{etag}', '"x", {etag}', "*"])
def test_if_none_match_answers_304(session, form):
    etag = session.average()["ETag"]
    answer = session.average(headers={"If-None-Match": form.format(etag=etag)})
    assert (answer.status, answer.body, answer["ETag"]) == (304, b"", etag)
    assert session.average(headers={"If-None-Match": '"other"'}).status == 200


def test_if_match_answers_412_unless_it_is_the_same(session):
    etag = session.average()["ETag"]
    for form in (etag, f'"x", {etag}', "*"):
        assert session.average(headers={"If-Match": form}).status == 200
    for form in ('"x"', "W/" + etag):
        session.average(headers={"If-Match": form}).problem(412, "precondition-failed")


def test_head_tells_what_get_would(session, client):
    for path in ("averages/main", "averages/main/tensors/bias", ""):
        target = f"{session.path}/{path}".rstrip("/")
        got, head = client.get(target), client.request("HEAD", target)
        assert head.status == 200 and head.body == b""
        for field in ("Content-Length", "Content-Type", "ETag", "Polyak-Revision"):
            assert head[field] == got[field], field
        assert int(head["Content-Length"]) == len(got.body)


def ranges(length):
    return [("0-0", 0, 1), ("0-7", 0, 8), ("8-", 8, length), ("-5", length - 5, length),
            (f"{length - 1}-", length - 1, length), (f"0-{length * 2}", 0, length),
            (f"-{length * 2}", 0, length), (f"3-{length - 2}", 3, length - 1)]


@pytest.mark.parametrize("what,headers", [
    ("averages/main", {}), ("averages/main?dtype=F16", {}), ("averages/main/tensors/bias", {}),
    ("averages/main/tensors/bias", {"Accept": "application/octet-stream"})])
def test_one_range_is_206(session, client, what, headers):
    path = f"{session.path}/{what}"
    whole = client.get(path, headers)
    assert whole["Accept-Ranges"] == "bytes"
    for text, begin, end in ranges(len(whole.body)):
        answer = client.get(path, {**headers, "Range": f"bytes={text}"})
        assert answer.status == 206, (text, answer)
        assert answer.body == whole.body[begin:end], text
        assert answer["Content-Range"] == f"bytes {begin}-{end - 1}/{len(whole.body)}"
        assert answer["ETag"] == whole["ETag"]
    for text in (f"{len(whole.body)}-", "-0"):
        answer = client.get(path, {**headers, "Range": f"bytes={text}"})
        assert answer.status == 416 and answer["Content-Range"] == f"bytes */{len(whole.body)}"
    for text in ("bytes=0-1,4-5", "items=0-1", "bytes=5-2", "bytes=x-", "bytes=-"):
        answer = client.get(path, {**headers, "Range": text})
        assert (answer.status, answer.body) == (200, whole.body), text


def test_if_range_gives_the_part_only_of_the_same_revision(session):
    whole = session.average()
    part = {"Range": "bytes=0-7"}
    assert session.average(headers={**part, "If-Range": whole["ETag"]}).status == 206
    for other in ('"x"', "W/" + whole["ETag"], "Sun, 06 Nov 1994 08:49:37 GMT"):
        answer = session.average(headers={**part, "If-Range": other})
        assert (answer.status, answer.body) == (200, whole.body)


def test_a_header_is_read_by_two_range_requests_and_keeps_its_length(session):
    lengths = set()
    for _ in range(12):
        first = session.average(headers={"Range": "bytes=0-7"})
        length = int.from_bytes(first.body, "little")
        answer = session.average(headers={"Range": f"bytes=8-{length + 7}"})
        header = json.loads(answer.body)
        assert set(header) - {"__metadata__"} == set(MODEL)
        lengths.add(length)
        session.fold(MODEL)
    assert len(lengths) == 1


def test_a_range_does_not_change_a_304(session):
    etag = session.average()["ETag"]
    answer = session.average(headers={"Range": "bytes=0-7", "If-None-Match": etag})
    assert answer.status == 304


# Reading: waiting.
def wait_for(session, etag, seconds=20):
    return {"If-None-Match": etag, "Prefer": f"wait={seconds}"}


def test_a_long_poll_is_woken_by_an_upload(service, session):
    etag, answers = session.average()["ETag"], []
    with service.raw() as raw:
        raw.send(request_bytes("GET", f"{session.path}/averages/main", b"",
                               f"If-None-Match: {etag}", "Prefer: wait=30"))
        session.fold(MODEL)
        answers = raw.answer()
        assert answers.status == 200 and answers["Polyak-Revision"] == "3"
        assert answers["ETag"] != etag and decode(answers.body)


def test_a_long_poll_without_news_ends_with_304(session):
    etag = session.average()["ETag"]
    answer = session.average(headers=wait_for(session, etag, 1))
    assert answer.status == 304 and answer["ETag"] == etag


def test_many_long_polls_are_all_woken(service, session):
    etag, found = session.average()["ETag"], []

    def poll():
        with service.client() as mine:
            answer = mine.get(f"{session.path}/averages/main", wait_for(session, etag))
            found.append(answer["Polyak-Revision"])

    threads = [threading.Thread(target=poll) for _ in range(20)]
    for thread in threads:
        thread.start()
    session.fold(MODEL)
    for thread in threads:
        thread.join(30)
    assert found == ["3"] * 20


def test_a_long_poll_waits_for_the_beginning_of_averaging_in_vain_without_an_etag(client):
    with client.session({"strategy": "nta", "epochs": 9}) as session:
        session.average(headers={"Prefer": "wait=20"}).problem(404, "averaging-not-started")


def test_sigterm_ends_a_long_poll(start_service):
    service = start_service()
    with service.client() as client:
        session = client.session(UNIFORM)
        session.fold(MODEL)
        etag = session.average()["ETag"]
        with service.raw() as raw:
            raw.send(request_bytes("GET", f"{session.path}/averages/main", b"",
                                   f"If-None-Match: {etag}", "Prefer: wait=60"))
            assert client.get("/livez").status == 200
            service.process.terminate()
            assert raw.answer().status in (304, 503)
            assert service.process.wait(10) == 0


# Reading: types.
@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_an_average_is_converted_with_one_rounding(client, dtype):
    random = np.random.default_rng(8)
    wide = random.standard_normal(20_000) * 10.0 ** random.integers(-9, 9, 20_000)
    # Ties, near ties that a second rounding would get wrong, subnormals and overflow.
    hard = [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-40, 1 + 2**-11, 1 + 3 * 2**-11, 65504, 65519.9,
            65520, -65536, 3.4e38, 1e39, -1e300, 2.0**-24, 2.0**-25, 2.0**-134, 1e-45, -0.0,
            1 + 2**-24 + 2**-50]
    model = {"d": np.concatenate([wide, hard]), "i": np.array([1, 2]),
             "s": np.concatenate([wide, hard[:10]]).astype(np.float32)}
    with client.session(UNIFORM) as session:
        session.fold(model)
        answer = session.average(dtype=dtype)
        expected = {name: oracle.convert(tensor(value), dtype) for name, value in model.items()}
        assert_same(answer.model(), expected)
        if dtype in ("F16", "BF16"):
            assert np.isinf(widen(expected["d"])).any()
        assert answer["ETag"] != session.average()["ETag"]


def test_the_type_of_the_model_is_what_was_uploaded(client):
    model = {name: tensor(np.linspace(-1, 1, 33), name) for name in
             ("F64", "F32", "F16", "BF16")} | {"n": tensor(np.array([5], np.uint8))}
    other = {name: tensor(widen(value) / 3 if name != "n" else value.data, value.dtype)
             for name, value in model.items()}
    with client.session(UNIFORM) as session:
        session.fold(model)
        session.fold(other)
        stored = averaged(model, other)
        expected = {name: oracle.convert(value, model[name].dtype)
                    for name, value in stored.items()}
        assert_same(session.average(dtype="model").model(), expected)
        assert_same(session.average().model(), stored)


@pytest.mark.parametrize("dtype", ["I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"])
def test_integers_and_booleans_are_the_latest(client, dtype):
    with client.session(UNIFORM) as session:
        for value in ([0, 1, 1], [1, 0, 1]):
            session.fold({"n": tensor(np.array(value), dtype), "w": np.ones(1, np.float32)})
        assert_same(session.average().model(),
                    {"n": tensor(np.array([1, 0, 1]), dtype), "w": tensor([1.0], "F32")})
        session.upload({"n": tensor(np.array([1, 0, 1]), "F32"), "w": np.ones(1, np.float32)}) \
            .problem(422, "layout-mismatch")


@pytest.mark.parametrize("name", list(MODEL))
def test_a_tensor_is_read_by_numpy(session, client, name):
    path = f"{session.path}/averages/main/tensors/{name}"
    answer = client.get(path)
    array = np.load(io.BytesIO(answer.body), allow_pickle=False)
    expected = EXPECTED[name]
    assert array.dtype == expected.data.dtype and array.shape == expected.data.shape
    assert array.tobytes() == expected.raw
    raw = client.get(path, {"Accept": "application/octet-stream"})
    assert raw.body == expected.raw and raw["Content-Type"] == "application/octet-stream"
    assert raw["ETag"] != answer["ETag"]
    again = client.get(path, {"If-None-Match": answer["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize("dtype", ["F16", "F32", "F64"])
def test_a_tensor_is_converted(session, client, dtype):
    answer = client.get(f"{session.path}/averages/main/tensors/bias", dtype=dtype)
    array = np.load(io.BytesIO(answer.body), allow_pickle=False)
    expected = oracle.convert(EXPECTED["bias"], dtype)
    assert array.dtype == expected.data.dtype and array.tobytes() == expected.raw


NAMES = ["a/b/c", "a b", "100%", "ünïcødé_权重", "q?x=1&y", "/lead", "trail/", "a//b", "..", "a/../b",
         "+", "#", '"', "\\", "\t", "__metadata", "x" * 1000]


def test_tensors_of_any_name_are_found(client):
    from urllib.parse import quote
    model = {name: np.array([index], np.float32) for index, name in enumerate(NAMES)}
    with client.session(UNIFORM) as session:
        session.fold(model)
        assert_same(session.average().model(), tensors(model))
        base = f"{session.path}/averages/main/tensors"
        for index, name in enumerate(NAMES):
            spellings = [f"{base}/{quote(name, safe='')}", f"{base}?name={quote(name, safe='')}",
                         f"{base}/{quote(name, safe='/')}"]
            for path in spellings:
                answer = client.get(path, {"Accept": "application/octet-stream"})
                assert answer.status == 200, (path, answer)
                assert np.frombuffer(answer.body, "<f4") == [index], path


# Connections.
def test_a_connection_is_kept_and_requests_may_be_pipelined(service, session):
    with service.raw() as raw:
        path = f"{session.path}/averages/main"
        raw.send(request_bytes("GET", "/livez") + request_bytes("GET", path) +
                 request_bytes("HEAD", path) + upload_bytes(session.path, encode(MODEL)) +
                 request_bytes("GET", "/v1/sessions/absent") + request_bytes("GET", path) +
                 request_bytes("GET", "/livez", b"", "Connection: close"))
        answers = [raw.answer(method) for method in ("GET", "GET", "HEAD", "POST", "GET", "GET",
                                                     "GET")]
        assert [each.status for each in answers] == [200, 200, 200, 200, 404, 200, 200]
        assert [each["Polyak-Revision"] for each in answers if each["Polyak-Revision"]] \
            == ["2", "2", "3"]
        assert answers[-1]["Connection"] == "close"
        assert raw.rest() == b""


def test_http_1_0_gets_an_answer_and_an_end(service):
    with service.raw() as raw:
        raw.send(b"GET /livez HTTP/1.0\r\n\r\n")
        assert raw.answer().status == 200
        assert raw.rest() == b""


def test_a_client_that_has_finished_sending_still_gets_its_answer(service, session):
    with service.raw() as raw:
        raw.send(upload_bytes(session.path, encode(MODEL)))
        raw.finish()
        assert raw.answer().status == 200
        assert raw.rest() == b""


@pytest.mark.parametrize("size", [1, 7, 4096, 100_000])
def test_chunked_uploads(client, size):
    model = {"w": np.arange(50_000, dtype=np.float32)}
    body = encode(model)
    if size == 1:
        model = {"w": np.arange(5, dtype=np.float32)}
        body = encode(model)
    with client.session(UNIFORM) as session:
        pieces = (body[at:at + size] for at in range(0, len(body), size))
        answer = client.request("POST", f"{session.path}/parameters", pieces,
                                {"Content-Type": SAFETENSORS}, chunked=True)
        assert answer.status == 200, answer
        assert_same(session.average().model(), tensors(model))


def test_extensions_and_trailers_of_chunks_are_ignored(service, session):
    body = encode(MODEL)
    with service.raw() as raw:
        head = upload_bytes(session.path, b"", "Transfer-Encoding: chunked").replace(
            b"Content-Length: 0\r\n", b"")
        raw.send(head + b'%x;name="a;b"\r\n' % len(body) + body +
                 b"\r\n000;last\r\nX-Trailer: y\r\n\r\n")
        assert raw.answer().status == 200
        assert raw.ask(request_bytes("GET", "/livez")).status == 200


def test_a_body_without_a_type_is_recognised(client):
    with client.session(UNIFORM) as session:
        path = f"{session.path}/parameters"
        for headers in ({}, {"Content-Type": "application/octet-stream"}):
            answer = client.request("POST", path, encode(MODEL), headers)
            assert answer.status == 200, answer
        client.request("POST", path, b"PK\x03\x04" + bytes(60)).problem(415, "unsupported-format")


def test_a_unix_socket_serves_the_same(start_service):
    service = start_service(unix=True)
    with Client(None, unix=service.socket_path) as over_unix, service.client() as over_tcp:
        session = over_unix.session(UNIFORM, "shared")
        session.fold(MODEL)
        assert_same(over_tcp.get(f"{session.path}/averages/main").model(), tensors(MODEL))
        assert_same(over_unix.get(f"{session.path}/averages/main").model(), tensors(MODEL))


def test_an_upload_larger_than_every_buffer_is_folded(client):
    random = np.random.default_rng(9)
    models = [{"a": random.standard_normal(3_000_001).astype(np.float32),
               "b": tensor(random.standard_normal(2_000_003), "BF16")} for _ in range(3)]
    with client.session({"strategy": "polynomial_decay", "eta": 1}) as session:
        for model in models:
            session.fold(model)
        assert_same(session.average().model(),
                    averaged(*models, settings=session.settings))


def test_a_large_model_that_waited_for_its_turn_is_folded_the_same(service, client):
    random = np.random.default_rng(10)
    models = [{f"w{index}": random.standard_normal(500_000).astype(np.float32)
               for index in range(4)} for _ in range(2)]
    bodies = [encode(model) for model in models]
    with client.session(UNIFORM) as session, service.raw() as first, service.raw() as second:
        first.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(bodies[0])))
        assert first.head()[0] == 100
        second.send(upload_bytes(session.path, b"", "Expect: 100-continue",
                                 length=len(bodies[1])))
        assert second.head()[0] == 100
        second.send(bodies[1])
        assert first.ask(bodies[0]).status == 200
        assert second.answer().status == 200
        assert_same(session.average().model(), averaged(*models))


# The trainer's own weights.
def test_each_trainer_keeps_its_own_weights(client):
    with client.session(UNIFORM) as session:
        path = f"{session.path}/cached"
        assert client.get(path).status == 404
        assert client.request("DELETE", path).status == 404
        assert client.request("PUT", path, b"mine", {"Content-Type": "text/x"}).status == 201
        assert client.request("PUT", path, b"theirs", trainer="b").status == 201
        assert client.request("PUT", path, b"mine, newer", {"Content-Type": "text/y"}).status \
            == 200
        kept = client.get(path)
        assert (kept.body, kept["Content-Type"]) == (b"mine, newer", "text/y")
        assert client.get(path, trainer="default").body == b"mine, newer"
        assert client.get(path, trainer="b").body == b"theirs"
        assert session.state()["revision"] == 0, "keeping weights is no change"
        assert client.request("DELETE", path).status == 204
        assert client.get(path).status == 404
        assert client.get(path, trainer="b").body == b"theirs"


def test_kept_weights_are_replaced_whole_or_not_at_all(service, client):
    with client.session(UNIFORM) as session:
        path = f"{session.path}/cached"
        assert client.request("PUT", path, bytes(100_000)).status == 201
        with service.raw() as raw:
            raw.send(request_bytes("PUT", path, b"x" * 50_000, length=100_000))
            raw.finish()
            raw.rest()
        assert client.get(path).body == bytes(100_000)
        large = np.random.default_rng(1).bytes(5_000_000)
        assert client.request("PUT", path, large).status == 200
        assert client.get(path).body == large
        assert client.request("PUT", path, b"").status == 200
        assert client.get(path).body == b""


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
    with client.session(UNIFORM) as session, service.raw() as upload, service.raw() as report:
        body = encode(MODEL)
        upload.send(upload_bytes(session.path, b"", "Expect: 100-continue", length=len(body)))
        assert upload.head()[0] == 100
        report.send(request_bytes("POST", f"{session.path}/epochs", b'{"loss":1,"epoch":1}',
                                  "Content-Type: application/json"))
        # It is admitted before the upload ends when the state shows it or it simply takes longer;
        # either way the order of revisions is the order of admission.
        eventually(lambda: client.get("/livez").status == 200, "the service lives")
        assert upload.ask(body).json()["revision"] == 1
        assert report.answer().json()["revision"] == 2
