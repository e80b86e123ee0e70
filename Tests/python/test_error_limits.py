"""Limits, deadlines, shutdown and full disks, on services of their own."""

import hashlib
import json
import select
import subprocess
import zlib

import numpy as np
import pytest

from fixed import GOOD, MODEL
from harness import (HTTP2, PATIENCE, SAFETENSORS, Request, eventually, unless_late, upload_to,
                     wait_until_read)
from home import Home
from models import encode, file_of
from wire import UNTOLD


def test_sizes_beyond_the_limits_are_refused_before_they_are_read(start_service):
    service = start_service("--model-bytes", f"{len(GOOD)}B", "--json-bytes", "1KiB")
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(GOOD)
        before = session.average()
        with service.wire() as wire:
            answer = wire.ask(upload_to(session.path, b"", length=len(GOOD) + 1))
            problem = answer.problem(413, "too-large")
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
    service = start_service("--model-header-bytes", "4KiB")
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        long = file_of(GOOD[8:-40].decode() + " " * 5000, GOOD[-40:])
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
    service = start_service("--cached-bytes", "1000B")
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        path = f"{session.path}/cached"
        assert client.request("PUT", path, bytes(900)).status == 201
        answer = client.request("PUT", path, bytes(900), trainer="b")
        assert answer.status in (413, 429, 507), answer
        assert client.get(path).body == bytes(900)
        assert client.request("DELETE", path).status == 204
        # What was deleted counts until its last reader is known to have it all.
        eventually(lambda: client.request("PUT", path, bytes(900), trainer="b").status == 201,
                   "the room is not given back")


def test_uploads_beyond_the_queue_are_told_to_come_back(start_service):
    service = start_service("--queued-uploads", 2)
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        first = service.wire()
        first.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
        assert first.head()[0] == 100, "it is the first one's turn"
        waiting = [service.wire() for _ in range(4)]
        for wire in waiting:
            wire.open(upload_to(session.path, GOOD))
        eventually(lambda: sum(wire.is_answered for wire in waiting) >= 2, "none was refused")
        assert first.complete(GOOD).status == 200
        answers = [wire.answer() for wire in waiting]
        taken = 1 + sum(answer.status == 200 for answer in answers)
        for answer in answers:
            if answer.status != 200:
                answer.problem(429, "too-many-uploads")
                assert int(answer["Retry-After"]) >= 1
        assert taken in (2, 3)
        assert session.state()["averages"]["main"]["average_counter"] == taken
        for wire in [first, *waiting]:
            wire.close()


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_json_bodies_together_have_a_limit(start_service, coding):
    """Each may have 4 KiB beside it, so that reports get through while others spend it."""
    service = start_service("--all-json-bytes", "64KiB")
    fields = [f"Content-Encoding: {coding}"] if coding else []
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        path = f"{session.path}/epochs"

        def hold(size):
            """A report that does not end."""
            body = b" " * size
            if coding:
                coder = zlib.compressobj(0, wbits=31)
                body = coder.compress(body) + coder.flush(zlib.Z_SYNC_FLUSH)
            wire = service.wire()
            wire.open(Request("POST", path, body, *fields, length=UNTOLD))
            # What two claim bit by bit at the same time, both may be refused.
            wait_until_read(wire.socket)
            return wire

        def whole(size):
            """The answer to a report of so many bytes."""
            with service.client() as other:
                return other.request("POST", path, '{"epoch":1,"loss":2}'.ljust(size))

        two = [hold(40 << 10), hold(40 << 10)]
        eventually(lambda: any(wire.is_answered for wire in two), "both have room")
        [refused] = [wire for wire in two if wire.is_answered]
        answer = refused.answer()
        answer.problem(503, "overloaded")
        assert int(answer["Retry-After"]) >= 1
        assert whole(4 << 10).status == 200 and whole(32 << 10).status == 200
        whole((32 << 10) + 1).problem(503, "overloaded")
        assert not any(wire.is_answered for wire in two if wire is not refused)
        for wire in two:
            wire.close()
        eventually(lambda: whole(68 << 10).status == 200, "the room is not given back")
        whole((68 << 10) + 1).problem(503, "overloaded")
        assert session.state()["reports"] == 3


@pytest.mark.http1_only("heads that come in parts")
def test_a_head_that_does_not_end_times_out(start_service):
    service = start_service("--head-timeout", "2s")

    def begun():
        raw = service.raw()
        raw.send(b"GET /livez HTTP/1.1\r\nHost: h\r\n")
        return raw, raw.answer()

    # Without a word where not even the first byte came in time.
    raw, answer = unless_late(2, begun)
    assert "2.0 seconds" in answer.problem(408, "request-timeout")["detail"]
    assert answer["Connection"] == "close"
    assert raw.rest() == b""
    raw.close()


def test_a_body_without_progress_times_out_and_leaves_no_trace(start_service):
    grace = 2
    service = start_service("--body-grace", f"{grace}s")
    with service.client() as client, unless_late(
            grace, lambda: client.session({"rule": {"name": "uniform"}})) as session:
        unless_late(grace, lambda: session.fold(GOOD))
        before = session.average()
        with service.wire() as wire:
            answer = wire.ask(upload_to(session.path, GOOD[:50], length=len(GOOD)))
            assert "2.0 seconds" in answer.problem(408, "request-timeout")["detail"]
            wire.assert_turned_away(answer)
        after = session.average()
        assert (before.body, before["ETag"]) == (after.body, after["ETag"])
        assert unless_late(grace, lambda: session.fold(GOOD))["revision"] == 2


def test_a_stalled_upload_gives_its_turn_to_those_who_wait(start_service):
    service = start_service("--lease-window", "300ms", "--body-grace", "1h")
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        with service.wire() as stalled:
            stalled.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
            assert stalled.head()[0] == 100
            assert session.fold(GOOD)["revision"] == 1
            stalled.answer().problem(408, "request-timeout")


def test_an_idle_connection_is_closed_without_a_word(start_service):
    service = start_service("--idle-timeout", "300ms")
    with service.wire() as wire:
        assert wire.ask(Request("GET", "/livez")).status == 200
        assert wire.rest() == b""


def test_the_same_step_in_flight_is_told_to_come_back(service, client):
    with client.session({"rule": {"name": "uniform"}}) as session, service.wire() as wire:
        wire.open(Request("POST", f"{session.path}/parameters?step=1", b"",
                          f"Content-Type: {SAFETENSORS}", "Expect: 100-continue",
                          length=len(GOOD)))
        assert wire.head()[0] == 100
        answer = session.upload(GOOD, step=1)
        answer.problem(409, "in-progress")
        assert int(answer["Retry-After"]) >= 1
        assert wire.complete(GOOD).status == 200
        assert session.upload(GOOD, step=1).json()["duplicate"] is True
        assert session.state()["averages"]["main"]["average_counter"] == 1


def test_the_same_key_in_flight_is_told_to_come_back(service, client):
    with client.session({"rule": {"name": "uniform"}}) as session, service.wire() as wire:
        wire.open(upload_to(session.path, b"", "Idempotency-Key: k", "Expect: 100-continue",
                            length=len(GOOD)))
        assert wire.head()[0] == 100
        answer = session.upload(GOOD, {"Idempotency-Key": "k"})
        answer.problem(409, "in-progress")
        assert wire.complete(GOOD).status == 200


def test_after_sigterm_uploads_in_flight_finish_and_new_ones_are_refused(start_service):
    # An idle connection does not keep it longer than this.
    service = start_service("--shutdown-grace", "10m", "--linger", "1s")
    client = service.client()
    session = client.session({"rule": {"name": "uniform"}})
    upload = service.wire()
    upload.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
    assert upload.head()[0] == 100
    waiting = service.wire()
    waiting.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
    assert waiting.head()[0] == 100
    service.process.terminate()
    eventually(lambda: not accepts(service), "new connections, health checks too, are taken")
    assert upload.complete(GOOD).status == 200, "the upload in flight finishes"
    assert waiting.complete(GOOD).status == 200, "and so does the one that waits for its turn"
    waiting.close()
    upload.close()
    assert service.process.wait(PATIENCE) == 0
    client.close()


def test_an_upload_that_outlasts_the_grace_is_refused_and_leaves_no_trace():
    model = encode({"w": np.ones(1 << 20, np.float32)})
    with Home("--shutdown-grace", "1s") as home:
        service = home.start()
        with home.client() as client:
            session = client.session({"rule": {"name": "uniform"}}, "s")
            assert session.upload(model).status == 200
            before = hashlib.sha256(session.average().body).digest()
            path = session.path
        expecting = "Expect: 100-continue"
        wires = half, waiting, unsent, settings = [service.wire() for _ in range(4)]
        for wire in (half, waiting):
            wire.open(upload_to(path, b"", expecting, length=len(model)))
        unsent.open(upload_to(path, b"", expecting, length=UNTOLD))
        settings.open(Request("PUT", "/v1/sessions/t", b"", expecting, length=100))
        for wire in wires:
            assert wire.head()[0] == 100
        half.more(model[:-4])
        waiting.more(model[:1000])
        settings.more(b"{")
        service.process.terminate()
        for wire in wires:
            answer = wire.answer()
            answer.problem(503, "shutting-down")
            assert int(answer["Retry-After"]) > 0
            assert HTTP2 or answer["Connection"] == "close"
            assert wire.rest() == b""
        assert service.process.wait(PATIENCE) == 0
        for wire in wires:
            wire.close()
        home.collect()
        home.start()
        with home.client() as client:
            assert client.get("/v1/sessions/t").status == 404
            session = client.get("/v1/sessions/s").json()
            assert session["revision"] == 1 and session["averages"]["main"]["average_counter"] == 1
            average = client.get("/v1/sessions/s/averages/main").body
            assert hashlib.sha256(average).digest() == before
        home.stop()


def test_a_second_sigterm_ends_it_now(start_service):
    service = start_service("--shutdown-grace", "10m")
    with service.client() as client:
        session = client.session({"rule": {"name": "uniform"}})
        with service.wire() as wire:
            wire.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(GOOD)))
            assert wire.head()[0] == 100
            service.process.terminate()
            eventually(lambda: client_is_closed(client), "the first SIGTERM is not obeyed")
            assert service.process.poll() is None, "the upload in flight keeps it"
            service.process.terminate()
            service.process.wait(PATIENCE)
    service.discard()


def accepts(service):
    try:
        service.wire().close()
    except ConnectionError:
        return False
    return True


def client_is_closed(client):
    return select.select([client.socket], [], [], 0)[0]


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "polyak-test", folder],
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
