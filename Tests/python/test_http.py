"""Connections, ways to send a body, and the weights that trainers keep."""

import io
import threading

import numpy as np
import pytest

from harness import PATIENCE, SAFETENSORS, Request, request_bytes, upload_bytes, upload_to
from models import assert_same, encode, tensor
from ordinary import UNIFORM, averaged, tensors
from ordinary import ORDINARY as MODEL


@pytest.mark.http1_only("the order of answers on a connection, and its end")
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


def test_many_requests_may_be_under_way_on_one_connection(service, session):
    with service.wire() as wire:
        path = f"{session.path}/averages/main"
        for request in (Request("GET", "/livez"), Request("GET", path), Request("HEAD", path),
                        upload_to(session.path, encode(MODEL)),
                        Request("GET", "/v1/sessions/absent"), Request("GET", session.path)):
            wire.open(request)
        answers = [wire.answer() for _ in range(6)]
        assert [each.status for each in answers] == [200, 200, 200, 200, 404, 200]
        assert answers[3].json()["revision"] == 3
        wire.assert_goes_on(answers[-1])


@pytest.mark.http1_only("HTTP/1.0")
def test_http_1_0_gets_an_answer_and_an_end(service):
    with service.raw() as raw:
        raw.send(b"GET /livez HTTP/1.0\r\n\r\n")
        assert raw.answer().status == 200
        assert raw.rest() == b""


@pytest.mark.http1_only("a connection that is closed on one side")
def test_a_client_that_has_finished_sending_still_gets_its_answer(service, session):
    with service.raw() as raw:
        raw.send(upload_bytes(session.path, encode(MODEL)))
        raw.finish()
        assert raw.answer().status == 200
        assert raw.rest() == b""


@pytest.mark.parametrize("size", [1, 7, 4096, 100_000])
def test_uploads_whose_length_is_not_told(client, size):
    # Far more frames than bytes would be taken for a flood.
    elements = {1: 5, 7: 5000}.get(size, 50_000)
    model = {"w": np.arange(elements, dtype=np.float32)}
    body = encode(model)
    with client.session(UNIFORM) as session:
        pieces = (body[at:at + size] for at in range(0, len(body), size))
        answer = client.request("POST", f"{session.path}/parameters", pieces,
                                {"Content-Type": SAFETENSORS}, chunked=True)
        assert answer.status == 200, answer
        assert_same(session.average().model(), tensors(model))


@pytest.mark.http1_only("chunks")
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
        archive = io.BytesIO()
        np.savez(archive, w=np.ones(3))
        client.request("POST", path, archive.getvalue()).problem(415, "unsupported-format")
        # Anything else is read as safetensors, whose first eight bytes are a length.
        problem = client.request("POST", path, b"rubbish " * 9).problem(413, "too-large")
        assert "does not seem to be safetensors" in problem["detail"]


def test_a_unix_socket_serves_the_same(start_service):
    service = start_service(unix=True)
    with service.client(unix=True) as over_unix, service.client() as over_tcp:
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
    with client.session(UNIFORM) as session, service.wire() as first, service.wire() as second:
        first.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(bodies[0])))
        assert first.head()[0] == 100
        second.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(bodies[1])))
        assert second.head()[0] == 100
        # Over HTTP/2 most of it is only let in when its turn has come.
        sender = threading.Thread(target=second.more, args=[bodies[1]])
        sender.start()
        assert first.complete(bodies[0]).status == 200
        sender.join(PATIENCE)
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
        with service.wire() as wire:
            wire.open(Request("PUT", path, b"x" * 50_000, length=100_000))
            wire.cancel()
        assert client.get(path).body == bytes(100_000)
        large = np.random.default_rng(1).bytes(5_000_000)
        assert client.request("PUT", path, large).status == 200
        assert client.get(path).body == large
        assert client.request("PUT", path, b"").status == 200
        assert client.get(path).body == b""
