"""Uploads that end too early, at every byte: refused or dropped, and nothing changes."""

import numpy as np
import pytest

import oracle
from harness import SAFETENSORS, request_bytes, upload_bytes
from models import assert_same, encode, tensor

MODEL = {"w": np.array([1.5, -2, 3], np.float32), "n": np.array([7])}
BODY = encode(MODEL)


def visible(session):
    """All that a client can see of a session, but for the memory it takes."""
    state = session.state()
    del state["bytes_held"]
    answer = session.average()
    return state, answer["ETag"], answer.body


def chunked(path):
    head = request_bytes("POST", f"{path}/parameters", b"", f"Content-Type: {SAFETENSORS}",
                         "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    chunks = [BODY[at:at + 13] for at in range(0, len(BODY), 13)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"


def expected(count):
    average = oracle.Average({"strategy": "polynomial_decay"})
    for _ in range(count):
        average.apply({name: tensor(values) for name, values in MODEL.items()})
    return average.model


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("ending", ["fin", "rst"])
@pytest.mark.parametrize("first", [True, False], ids=["first model", "later model"])
def test_a_request_cut_at_every_byte_changes_nothing(service, client, framing, ending, first):
    with client.session({"strategy": "polynomial_decay"}) as session:
        request = chunked(session.path) if framing == "chunked" else \
            upload_bytes(session.path, BODY)
        folded = 0
        if not first:
            session.fold(MODEL)
            folded = 1
        before = visible(session)
        for cut in range(1, len(request)):
            with service.raw() as raw:
                raw.send(request[:cut])
                if ending == "rst":
                    raw.reset()
                else:
                    raw.finish()
                    # Whatever is said, it is no success, and then the connection ends.
                    said = raw.rest()
                    assert not said or said.startswith(b"HTTP/1.1 400"), (cut, said)
            if cut % 25 == 0:
                assert visible(session) == before, f"cut at {cut}"
        # The turn is free, and of all those requests nothing was kept.
        answer = session.fold(MODEL)
        assert answer["revision"] == folded + 1
        assert answer["averages"]["main"]["average_counter"] == folded + 1
        assert_same(session.average().model(), expected(folded + 1))


@pytest.mark.parametrize("first", [True, False], ids=["first model", "later model"])
def test_every_proper_prefix_as_a_whole_body_is_refused(client, first):
    with client.session({"strategy": "polynomial_decay"}) as session:
        if not first:
            session.fold(MODEL)
        before = visible(session)
        for end in range(len(BODY)):
            session.upload(BODY[:end]).problem(400, "malformed-model")
            assert visible(session) == before, f"prefix of {end} bytes"
        assert session.fold(MODEL)["applied"]


def test_a_model_split_at_every_byte_is_read_the_same(service, client):
    with client.session({"strategy": "polynomial_decay"}) as session, service.raw() as raw:
        for cut in range(1, len(BODY)):
            raw.send(upload_bytes(session.path, BODY[:cut], length=len(BODY)))
            raw.send(BODY[cut:])
            assert raw.answer("POST").status == 200, f"split at {cut}"
        assert_same(session.average().model(), expected(len(BODY) - 1))
