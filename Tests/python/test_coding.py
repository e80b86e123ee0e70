"""gzip and deflate: bodies that come coded, answers that are coded on demand."""

import contextlib
import gzip
import json
import subprocess
import threading
import time
import zlib

import numpy as np
import pytest

import coded
import oracle
from harness import HTTP2, UNTOLD, Request, new_name, upload_to
from models import assert_same, decode, encode, file_of
from named import named
from ordinary import ORDINARY, TRIPLED, UNIFORM, averaged
from repeated import Repeated

SMALL = encode({"w": np.array([1.5, -2, 3], np.float32), "n": np.array([7])})
EMA = {"rule": {"name": "ema", "decay": 0.5}}
CODED_ONLY = {"Accept-Encoding": "gzip, identity;q=0"}


def upload(session, body, coding="gzip", **headers):
    return session.upload(body, {"Content-Encoding": coding, **headers})


# Bodies


@pytest.mark.parametrize("name", coded.CODERS)
def test_a_coded_model_is_averaged_as_a_plain_one(client, name):
    code = coded.CODERS[name]
    with client.session(UNIFORM) as session:
        for model in (ORDINARY, TRIPLED):
            answer = upload(session, code(encode(model)), name)
            assert answer.status == 200 and answer.json()["applied"], answer
        session.fold(ORDINARY)
        assert_same(session.average().model(), averaged(ORDINARY, TRIPLED, ORDINARY))


@pytest.mark.parametrize("name", coded.PROGRAMS)
def test_what_any_program_coded_is_read(client, name):
    code = coded.PROGRAMS[name]
    if code is None:
        pytest.skip(f"{name} is not installed")
    model = {"w": coded.weights(300_000), "mask": np.tri(500, dtype=bool), "z": np.zeros(9)}
    coding = "deflate" if name in ("pigz zlib", "small window") else "gzip"
    with client.session(UNIFORM) as session:
        answer = upload(session, code(encode(model)), coding)
        assert answer.status == 200, answer
        assert_same(session.average().model(), averaged(model))


def test_a_coded_body_may_come_in_pieces_of_a_byte(service):
    body = gzip.compress(SMALL)
    with service.client() as client, client.session(UNIFORM) as session, \
            service.wire() as wire:
        wire.open(upload_to(session.path, b"", "Content-Encoding: gzip", length=UNTOLD))
        for byte in body:
            wire.more(bytes([byte]))
        wire.end()
        assert wire.answer().status == 200
        assert_same(session.average().model(), decode(SMALL)[0])


def test_settings_reports_and_weights_come_coded(client):
    path = f"/v1/sessions/{new_name('coded')}"
    coded_json = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    settings = json.dumps({"strategy": "nta", "epochs": 10}).encode()
    made = client.request("PUT", path, gzip.compress(settings), coded_json)
    assert made.status == 201, made
    again = client.request("PUT", path, zlib.compress(settings),
                           {**coded_json, "Content-Encoding": "deflate"})
    assert again.status == 200, again
    report = client.request("POST", f"{path}/epochs",
                            gzip.compress(b'{"epoch": 1, "loss": 2.5}'), coded_json)
    assert report.status == 200 and report.json()["revision"] == 1, report
    kept = client.request("PUT", f"{path}/cached", gzip.compress(b"opaque" * 1000),
                          {"Content-Encoding": "gzip", "Content-Type": "application/x-mine"})
    assert kept.status == 201, kept
    # What was sent, not how it was sent.
    got = client.get(f"{path}/cached")
    assert (got.body, got["Content-Type"]) == (b"opaque" * 1000, "application/x-mine")
    assert got["Content-Encoding"] is None and got["Vary"] == "Accept-Encoding"
    assert client.request("DELETE", path).status == 204


def test_a_file_may_be_named_under_a_coding(start_service, tmp_path):
    service = start_service("--local-files", tmp_path)
    (tmp_path / "model").write_bytes(SMALL)
    with service.client() as client, client.session(UNIFORM) as session:
        body = gzip.compress(b'{"path": "model"}')
        answer = upload(session, body,
                        **{"Content-Type": "application/vnd.polyak.local-file+json"})
        assert answer.status == 200, answer
        answer = upload(session, body[:-1],
                        **{"Content-Type": "application/vnd.polyak.local-file+json"})
        answer.problem(400, "malformed-encoding")
        assert_same(session.average().model(), decode(SMALL)[0])


# Bodies that are wrong


@pytest.mark.parametrize("coding", ["br", "compress", "zstd", "gzip, gzip", "deflate, gzip", "x"])
@pytest.mark.parametrize("path,method", [
    ("{s}/parameters", "POST"), ("{s}/epochs", "POST"), ("{s}/cached", "PUT"), ("{s}", "PUT")])
def test_an_unknown_coding_is_415_before_the_body(service, session, coding, path, method):
    with service.wire() as wire:
        answer = wire.ask(Request(method, path.format(s=session.path), b"",
                                  f"Content-Encoding: {coding}", length=1 << 30))
        answer.problem(415, "unsupported-format")
        assert answer["Accept-Encoding"] == "gzip, deflate"


@pytest.fixture
def untouched(client):
    """A session that must be as it was after everything refused."""
    with client.session(EMA) as session:
        session.fold(SMALL)
        before = session.average().body, session.state()["revision"]
        yield session
        assert (session.average().body, session.state()["revision"]) == before
        assert session.upload(SMALL).json()["revision"] == before[1] + 1


def test_concatenated_members_cut_at_every_byte_are_refused(untouched):
    half = len(SMALL) // 2
    first, second = gzip.compress(SMALL[:half]), gzip.compress(SMALL[half:])
    body = first + second
    for cut in range(len(body)):
        answer = upload(untouched, body[:cut])
        # Between the members the coding is whole, and the model is not.
        name = "malformed-model" if cut == len(first) else "malformed-encoding"
        problem = answer.problem(400, name)
        assert cut == len(first) or f"after {cut} coded bytes" in problem["detail"], problem


def test_every_flipped_byte_is_refused_or_changes_nothing(client):
    for coding, body in (("gzip", gzip.compress(SMALL)), ("deflate", zlib.compress(SMALL))):
        taken = []
        with client.session({"rule": {"name": "latest"}}) as session:
            for at in range(len(body)):
                flipped = bytearray(body)
                flipped[at] ^= 0xFF if at % 2 else 0x10
                answer = upload(session, bytes(flipped), coding)
                if answer.status == 200:
                    taken.append(at)
                    assert_same(session.average().model(), decode(SMALL)[0])
                else:
                    # The model's own errors come before the checksum at the end.
                    assert answer.json()["type"] in (
                        "/problems/malformed-encoding", "/problems/malformed-model",
                        "/problems/layout-mismatch", "/problems/too-large"), answer
        # gzip's time, extra flags and system: what says nothing of the content.
        assert set(taken) <= ({4, 5, 6, 7, 8, 9} if coding == "gzip" else set()), taken


@named("name,body,detail", [
    ("plain as gzip", "gzip", SMALL, "1f 8b"),
    ("deflate as gzip", "gzip", zlib.compress(SMALL), "1f 8b"),
    ("nothing as gzip", "gzip", b"", "ended after 0"),
    ("nothing as deflate", "deflate", b"", "ended after 0"),
    ("a line behind gzip", "gzip", gzip.compress(SMALL) + b"\n", "more follows"),
    ("zeros behind gzip", "gzip", gzip.compress(SMALL) + bytes(512), "more follows"),
    ("a model behind gzip", "gzip", gzip.compress(SMALL) + SMALL, "more follows"),
    ("a byte behind deflate", "deflate", zlib.compress(SMALL) + b"x", "more follows"),
    ("deflate twice in a row", "deflate", zlib.compress(SMALL) * 2, "more follows"),
    ("gzip as deflate", "deflate", gzip.compress(SMALL), "zlib.compress"),
    ("bare deflate", "deflate", zlib.compress(SMALL)[2:-4], "zlib.compress"),
    ("gzip within gzip", "gzip", gzip.compress(gzip.compress(SMALL)), None),
])
def test_what_is_not_the_coding_is_refused_with_a_reason(untouched, name, body, detail):
    answer = upload(untouched, body, name)
    if detail is None:
        # One coding is undone, and what is inside is no model.
        assert answer.status in (400, 413, 415), answer
    else:
        assert detail in answer.problem(400, "malformed-encoding")["detail"], answer


def test_a_gzip_file_without_its_coding_is_recognised(untouched):
    body = gzip.compress(SMALL, mtime=0)
    answer = untouched.client.request("POST", f"{untouched.path}/parameters", body)
    assert "Content-Encoding: gzip" in answer.problem(415, "unsupported-format")["detail"]


# Bounds


def test_the_limit_holds_for_the_decoded_bytes(start_service):
    service = start_service("--model-bytes", f"{len(SMALL)}B")
    one_less = encode({"w": np.array([1.5, -2, 3], np.float32), "n": np.array([7], np.int32)})
    with service.client() as client:
        for coding, code in coded.CODERS.items():
            with client.session(UNIFORM) as session:
                assert upload(session, code(SMALL), coding).status == 200
                path = f"{session.path}/cached"
                for extra, status in ((-1, 201), (0, 200), (1, 413)):
                    answer = client.request("PUT", path, code(bytes(len(SMALL) + extra)),
                                            {"Content-Encoding": coding})
                    assert answer.status == status, answer
                problem = answer.problem(413, "too-large")
                assert problem["limit"] == len(SMALL), problem
            with client.session(UNIFORM) as session:
                assert len(one_less) < len(SMALL)
                assert upload(session, code(one_less), coding).status == 200
            with client.session(UNIFORM) as session:
                larger = encode({"w": np.ones(5, np.float32), "n": np.array([7])})
                upload(session, code(larger), coding).problem(413, "too-large")


def test_the_limit_of_json_holds_for_the_decoded_bytes(start_service):
    service = start_service("--json-bytes", "1KiB")
    settings = b'{"strategy": "polynomial_decay"}'
    with service.client() as client:
        for extra, status in ((-1, 201), (0, 201), (1, 413)):
            padded = settings + b" " * (1024 + extra - len(settings))
            path = f"/v1/sessions/padded{extra + 1}"
            answer = client.request("PUT", path, gzip.compress(padded),
                                    {"Content-Encoding": "gzip"})
            assert answer.status == status, answer
            assert client.request("DELETE", path).status == (204 if status == 201 else 404)
        assert answer.problem(413, "too-large")["limit"] == 1024


def test_a_ratio_is_asked_for_beyond_4_MiB(start_service):
    service = start_service("--inflation-ratio", 50)
    noise = np.random.default_rng(3).bytes(100_000)

    def keep(client, path, body):
        return client.request("PUT", path, gzip.compress(body), {"Content-Encoding": "gzip"})

    with service.client() as client, client.session(UNIFORM) as session:
        path = f"{session.path}/cached"
        assert keep(client, path, bytes(4 << 20)).status == 201
        # 100 kB of noise allow 5 MB more, wherever they come.
        assert keep(client, path, noise + bytes((4 << 20) + 4_900_000)).status == 200
        answer = keep(client, path, noise + bytes((4 << 20) + 5_400_000))
        problem = answer.problem(413, "too-large")
        assert problem["limit"] == 50 and "50 times" in problem["detail"], problem
        assert client.get(path).body == noise + bytes((4 << 20) + 4_900_000)


def bomb_model(count):
    """The beginning of a model of zeros that claims to be whole, and the rest of it."""
    header = {"w": {"dtype": "F32", "shape": [count // 4], "data_offsets": [0, count]}}
    return file_of(header, b"")


@pytest.mark.parametrize("what", ["no model", "a model", "first model", "cached", "settings",
                                  "nested"])
def test_a_bomb_is_refused_while_it_is_decoded(start_service, what):
    size = 1 << 30
    service = start_service()
    a_model = gzip.compress(bomb_model(size)) + coded.zeros(size)
    bomb = {"a model": lambda: a_model, "first model": lambda: a_model,
            "nested": lambda: gzip.compress(coded.zeros(size), 9)}.get(
                what, lambda: coded.zeros(size))()
    with service.client() as client, client.session(UNIFORM) as session:
        # What a first request takes for good is not the bomb's.
        with client.session(UNIFORM) as other:
            assert upload(other, gzip.compress(SMALL)).status == 200
        if what != "first model":
            session.fold(SMALL)
        target, method, statuses = {
            "cached": (f"{session.path}/cached", "PUT", (413,)),
            "settings": ("/v1/sessions/bomb", "PUT", (413,)),
        }.get(what, (f"{session.path}/parameters", "POST", (400, 413, 415, 422)))
        highest = [service.memory()]
        with Repeated(lambda: highest.append(service.memory())):
            started = time.monotonic()
            answer = client.request(method, target, bomb, {"Content-Encoding": "gzip"})
            taken = time.monotonic() - started
        grown = max(highest) - highest[0]
        print(f"\n{what}: {len(bomb)} bytes for {size}, {answer.status} after {taken * 1000:.0f} ms, "
              f"{grown / 2**20:.1f} MiB more")
        assert answer.status in statuses, answer
        assert grown < 12 << 20
        assert client.get("/livez").status == 200


# Turns, keys, early answers


def test_others_wait_while_a_coded_body_is_sent(service):
    """The holder's coded body stands still; two more, coded too, are folded after it."""
    iterates = [{"w": coded.weights(1_000_000, seed)} for seed in range(3)]
    bodies = [gzip.compress(encode(each), 1) for each in iterates]
    answers = {}

    def send(index, wire):
        answers[index] = wire.complete(bodies[index]).json()

    with service.client() as client, client.session(EMA) as session, \
            contextlib.ExitStack() as stack:
        wires = []
        for body in bodies:
            wire = stack.enter_context(service.wire())
            wire.open(upload_to(session.path, b"", "Content-Encoding: gzip",
                                "Expect: 100-continue", length=len(body)))
            # Its place in the queue is taken.
            assert wire.head()[0] == 100
            wires.append(wire)
        holder = wires[0]
        holder.more(bodies[0][:50_000])
        threads = [threading.Thread(target=send, args=(index, wires[index])) for index in (2, 1)]
        for thread in threads:
            thread.start()
        assert session.state()["revision"] == 0 and not answers
        assert holder.complete(bodies[0][50_000:]).json()["revision"] == 1
        for thread in threads:
            thread.join()
        # In the order in which they came.
        assert [answers[index]["revision"] for index in (1, 2)] == [2, 3]
        expected = oracle.Average(EMA)
        for each in iterates:
            expected.apply(each)
        assert_same(session.average().model(), expected.model)


def test_a_coded_upload_that_is_cut_leaves_no_trace(service, client):
    body = gzip.compress(encode({"w": coded.weights(200_000)}), 1)
    with client.session(EMA) as session:
        session.fold({"w": coded.weights(200_000, 1)})
        before = session.average().body
        for share in (0, 1, len(body) // 2, len(body) - 1):
            with service.wire() as wire:
                wire.open(upload_to(session.path, body[:share], "Content-Encoding: gzip",
                                    length=len(body)))
        answer = session.upload(body, {"Content-Encoding": "gzip"})
        assert answer.status == 200 and answer.json()["revision"] == 2, answer
        assert session.average().body != before


def test_a_key_stands_for_the_decoded_model(client):
    """gzip notes the time, so a client that codes again sends other bytes."""
    key = {"Idempotency-Key": "k1"}
    other = encode({"w": np.array([1.5, -2, 4], np.float32), "n": np.array([7])})
    with client.session(EMA) as session:
        first = upload(session, gzip.compress(SMALL, mtime=1), **key)
        assert first.status == 200 and first.json()["revision"] == 1
        for again in (upload(session, gzip.compress(SMALL, 1, mtime=2), **key),
                      upload(session, zlib.compress(SMALL), "deflate", **key),
                      session.upload(SMALL, key)):
            assert (again.status, again.json()) == (200, first.json()), again
        for coding, body in (("gzip", gzip.compress(other)), ("identity", other)):
            upload(session, body, coding, **key).problem(422, "idempotency-key-reused")
        upload(session, gzip.compress(SMALL)[:-1], **key).problem(400, "malformed-encoding")
        assert session.state()["revision"] == 1


def test_a_key_of_a_large_model_stands_for_its_decoded_length(client):
    large, key = encode({"w": coded.weights(600_000)}), {"Idempotency-Key": "k2"}
    longer = encode({"w": coded.weights(600_001)})
    with client.session(EMA) as session:
        first = upload(session, gzip.compress(large, 1), **key).json()
        assert upload(session, gzip.compress(large, 9), **key).json() == first
        assert session.upload(large, key).json() == first
        upload(session, gzip.compress(longer, 1), **key).problem(422, "idempotency-key-reused")


def test_a_body_that_is_not_needed_is_not_decoded(client):
    """Neither one that no average waits for, nor a step's that is known, is looked at."""
    garbage = b"no gzip at all" * 100
    with client.session({"strategy": "nta", "epochs": 100}) as session:
        answer = upload(session, garbage)
        assert answer.status == 200 and answer.json()["applied"] is False, answer
    with client.session(EMA) as session:
        session.fold(SMALL, step=5)
        answer = session.upload(garbage, {"Content-Encoding": "gzip"}, step=5)
        assert answer.status == 200 and answer.json()["duplicate"] is True, answer


def test_who_expects_to_continue_is_answered_as_without_a_coding(service, client):
    fields = ("Content-Encoding: gzip", "Expect: 100-continue")
    body = gzip.compress(SMALL)
    with client.session({"strategy": "nta", "epochs": 100}) as session, service.wire() as wire:
        wire.open(upload_to(session.path, b"", *fields, length=len(body)))
        assert wire.answer().json()["applied"] is False
    with client.session(EMA) as session, service.wire() as wire:
        wire.open(upload_to(session.path, b"", *fields, length=len(body)))
        assert wire.head()[0] == 100
        assert wire.complete(body).json()["applied"] is True


# Answers


@pytest.fixture
def long_session(service):
    """A session whose state is longer than a packet."""
    with service.client() as client, client.session(
            {"averages": {f"average-{index:02}": UNIFORM for index in range(30)}}) as session:
        yield session


@pytest.mark.parametrize("accept,coding", [
    (None, None), ("", None), ("identity", None), ("br, zstd", None), ("gzip;q=0", None),
    ("identity;q=0", None), ("*;q=0", None), ("gzip;q=x", None),
    ("gzip", "gzip"), ("x-gzip", "gzip"), ("deflate", "deflate"), ("*", "gzip"),
    ("gzip, deflate, br, zstd", "gzip"), ("deflate, gzip;q=0.9", "deflate"),
    ("gzip;q=0, *", "deflate"), ("gzip;q=0.5, identity", None), ("gzip;q=0.5", "gzip"),
    ("compress;q=0.5, gzip;q=1.0", "gzip"), ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"),
])
def test_json_is_coded_as_accepted(client, long_session, accept, coding):
    headers = {} if accept is None else {"Accept-Encoding": accept}
    if accept is None and not HTTP2:
        # What http.client adds by itself, it leaves out when it is told to skip it.
        headers = {"Accept-Encoding": ""}
    plain = client.get(long_session.path, {"Accept-Encoding": "identity"})
    answer = client.get(long_session.path, headers)
    assert answer["Content-Encoding"] == coding and answer["Vary"] == "Accept-Encoding"
    decode_body = {None: bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}[coding]
    assert decode_body(answer.body) == plain.body
    assert int(answer["Content-Length"]) == len(answer.body)
    assert coding is None or len(answer.body) < len(plain.body) / 2


def test_head_has_the_fields_of_get(client, long_session):
    for accept in ("gzip", "identity", "deflate"):
        got, head = (client.request(method, long_session.path, None, {"Accept-Encoding": accept})
                     for method in ("GET", "HEAD"))
        assert head.status == 200 and head.body == b""
        for field in ("Content-Length", "Content-Type", "Content-Encoding", "Vary"):
            assert head[field] == got[field], field


def test_text_is_coded_from_a_kilobyte_on(client):
    """A list of sessions is as long as their names make it."""
    names = ["threshold-" + letter + "y" * 100 for letter in "abcde"]

    def listing(length, **headers):
        last = "threshold-f" + "x" * length
        with client.session(UNIFORM, last):
            return client.get("/v1/sessions", headers, after="threshold-", limit=6)

    for name in names:
        client.session(UNIFORM, name)
    try:
        base = len(listing(0).body)
        seen = {}
        for length in range(100):
            if base + length not in (1023, 1024, 1025):
                continue
            plain = listing(length)
            assert len(plain.body) == base + length
            answer = listing(length, **{"Accept-Encoding": "gzip"})
            seen[base + length] = answer["Content-Encoding"]
            body = gzip.decompress(answer.body) if answer["Content-Encoding"] else answer.body
            assert body.replace(b" ", b"") and len(body) == base + length
            # Shorter ones are coded too, for who refuses them plain.
            assert plain["Vary"] == answer["Vary"] == "Accept-Encoding"
        assert seen == {1023: None, 1024: "gzip", 1025: "gzip"}, (base, seen)
    finally:
        for name in names:
            client.request("DELETE", f"/v1/sessions/{name}")


def test_problems_and_pages_are_coded_too(client):
    gladly = {"Accept-Encoding": "gzip"}
    problem = client.get("/problems/none-of-them-" + "x" * 60, gladly)
    plain = client.get("/problems/none-of-them-" + "x" * 60)
    assert plain.problem(404, "not-found")
    if len(plain.body) >= 1024:
        assert problem["Content-Encoding"] == "gzip"
        assert gzip.decompress(problem.body) == plain.body
    only = client.get("/livez", {"Accept-Encoding": "gzip, *;q=0"})
    assert gzip.decompress(only.body) == b"ok\n" and only["Vary"] == "Accept-Encoding"
    refused = client.get("/nowhere", {"Accept-Encoding": "deflate, identity;q=0"})
    assert json.loads(zlib.decompress(refused.body))["type"] == "/problems/not-found"


def test_a_long_list_is_coded_as_it_is_sent(client):
    with client.session({"strategy": "nta", "epochs": 1_000_000}) as session:
        for epoch in range(1000):
            assert session.report(1 / (epoch + 1), epoch).status == 200
        plain = client.get(session.path, {"Accept-Encoding": "identity"})
        assert len(plain.body) > 65536, "this is to be longer than what is coded at once"
        for accept, undo in (("gzip", gzip.decompress), ("deflate", zlib.decompress)):
            answer = client.get(session.path, {"Accept-Encoding": accept})
            assert answer["Content-Length"] is None
            assert undo(answer.body) == plain.body
            head = client.request("HEAD", session.path, None, {"Accept-Encoding": accept})
            assert (head.status, head.body, head["Content-Encoding"]) == (200, b"", accept)


# Models are coded only for who refuses them plain


@pytest.mark.parametrize("accept", [
    "gzip", "gzip, deflate, br", "*", "gzip;q=1, identity;q=0.001", "identity;q=0", "*;q=0",
    "br, identity;q=0"])
def test_models_are_plain_unless_that_is_refused(client, session, accept):
    for path in ("averages/main", "averages/main/tensors/bias"):
        plain = client.get(f"{session.path}/{path}", {"Accept-Encoding": "identity"})
        answer = client.get(f"{session.path}/{path}", {"Accept-Encoding": accept})
        assert answer["Content-Encoding"] is None and answer.body == plain.body
        assert answer["ETag"] == plain["ETag"] and answer["Accept-Ranges"] == "bytes"
        assert answer["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("path", [
    "averages/main", "averages/main?dtype=BF16", "averages/main?dtype=F64",
    "averages/main/tensors/bias", "averages/main/tensors/none",
    "averages/main/tensors/layer/0.weight?dtype=F16"])
def test_a_coded_model_is_the_same_under_another_tag(client, session, path):
    target = f"{session.path}/{path}"
    plain = client.get(target, {"Accept-Encoding": "identity"})
    for accept, coding, undo in (("gzip, identity;q=0", "gzip", gzip.decompress),
                                 ("*;q=0, x-gzip;q=0.1", "gzip", gzip.decompress),
                                 ("deflate, *;q=0", "deflate", zlib.decompress)):
        answer = client.get(target, {"Accept-Encoding": accept})
        assert answer.status == 200 and undo(answer.body) == plain.body
        assert answer["Content-Encoding"] == coding
        assert answer["ETag"] == plain["ETag"][:-1] + f'-{coding}"'
        assert answer["Content-Length"] is None and answer["Accept-Ranges"] == "none"
        assert answer["Vary"] == "Accept, Accept-Encoding"
        for field in ("Content-Type", "Polyak-Revision", "Polyak-Average-Counter"):
            assert answer[field] == plain[field], field
        head = client.request("HEAD", target, None, {"Accept-Encoding": accept})
        assert (head.status, head.body) == (200, b"")
        for field in ("ETag", "Content-Encoding", "Vary", "Content-Length", "Accept-Ranges"):
            assert head[field] == answer[field], field


def test_conditions_hold_for_the_coded_representation(session):
    plain = session.average()["ETag"]
    tag = session.average(headers=CODED_ONLY)["ETag"]
    assert tag != plain
    same = session.average(headers={**CODED_ONLY, "If-None-Match": tag})
    assert (same.status, same.body, same["ETag"]) == (304, b"", tag)
    assert same["Vary"] == "Accept, Accept-Encoding"
    # Each tag is of its own representation.
    assert session.average(headers={**CODED_ONLY, "If-None-Match": plain}).status == 200
    assert session.average(headers={"If-None-Match": tag}).status == 200
    assert session.average(headers={**CODED_ONLY, "If-Match": tag}).status == 200
    assert session.average(headers={**CODED_ONLY, "If-Match": plain}).status == 412
    session.average(headers={"If-Match": tag}).problem(412, "precondition-failed")
    session.fold(ORDINARY)
    assert session.average(headers={**CODED_ONLY, "If-None-Match": tag}).status == 200


def test_a_range_of_a_coded_model_is_the_whole(session):
    tag = session.average(headers=CODED_ONLY)["ETag"]
    plain = session.average().body
    for more in ({}, {"If-Range": tag}):
        answer = session.average(headers={**CODED_ONLY, "Range": "bytes=0-7", **more})
        assert answer.status == 200 and answer["Content-Range"] is None
        assert gzip.decompress(answer.body) == plain


def test_a_long_poll_waits_for_the_coded_representation(service, session):
    tag, answers = session.average(headers=CODED_ONLY)["ETag"], []

    def wait():
        with service.client() as own:
            answers.append(own.get(f"{session.path}/averages/main", {
                **CODED_ONLY, "If-None-Match": tag, "Prefer": "wait=30"}))

    waiter = threading.Thread(target=wait)
    waiter.start()
    session.fold(ORDINARY)
    waiter.join()
    answer, = answers
    assert answer.status == 200 and answer["ETag"] not in (tag, None)
    assert gzip.decompress(answer.body) == session.average().body


def test_cached_weights_are_coded_for_who_refuses_them_plain(client, session):
    path, kept = f"{session.path}/cached", coded.weights(300_000).tobytes()
    for body in (kept, b"", b"x"):
        assert client.request("PUT", path, body).status in (200, 201)
        answer = client.get(path, CODED_ONLY)
        assert answer["Content-Encoding"] == "gzip" and answer["Vary"] == "Accept-Encoding"
        assert gzip.decompress(answer.body) == body
        assert client.get(path, {"Accept-Encoding": "gzip"}).body == body


def test_a_coded_model_is_of_one_revision_whatever_is_uploaded(service, client):
    """Several uploads are folded while one slow reader is half way through."""
    models = [{"w": coded.weights(2_000_000, seed)} for seed in range(4)]
    with client.session({"rule": {"name": "latest"}}) as session:
        session.fold(models[0])
        with service.wire() as wire:
            wire.open(Request("GET", f"{session.path}/averages/main", b"",
                              "Accept-Encoding: gzip, identity;q=0"))
            for model in models[1:]:
                session.fold(model)
            answer = wire.answer()
        assert answer["Polyak-Revision"] == "1"
        assert_same(decode(gzip.decompress(answer.body))[0], averaged(models[0]))
        assert_same(session.average().model(), averaged(models[-1]))


# Clients that decode by themselves


def test_curl_compressed(service, session, tmp_path):
    model = tmp_path / "model.gz"
    model.write_bytes(gzip.compress(encode(ORDINARY)))

    def curl(*arguments):
        return subprocess.run(["curl", "-sS", "--fail-with-body", *arguments], check=True,
                              stdout=subprocess.PIPE).stdout

    at = service.url + session.path
    assert json.loads(curl("--compressed", at))["session"] == session.name
    answer = json.loads(curl(f"{at}/parameters", "-H", "Content-Encoding: gzip", "--data-binary",
                             f"@{model}"))
    assert answer["revision"] == 3
    # --compressed asks for codings gladly; a model is still plain, and with more is not.
    plain = curl("--compressed", f"{at}/averages/main")
    assert_same(decode(plain)[0], averaged(ORDINARY, TRIPLED, ORDINARY))
    refused = curl("--compressed", "-H", "Accept-Encoding: gzip, *;q=0", f"{at}/averages/main")
    assert refused == plain
