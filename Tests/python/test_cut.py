"""Uploads that end too early, at every byte: refused or dropped, and nothing changes."""

import contextlib
import itertools

import numpy as np
import pytest

import oracle
from harness import HTTP2, UNTOLD, upload_to
from models import assert_same, encode, tensor

MODEL = {"w": np.array([1.5, -2, 3], np.float32), "n": np.array([7])}
BODY = encode(MODEL)


def visible(session):
    """All that a client can see of a session, but for the memory it takes."""
    state = session.state()
    del state["bytes_held"]
    answer = session.average()
    return state, answer["ETag"], answer.body


def expected(count):
    average = oracle.Average({"strategy": "polynomial_decay"})
    for _ in range(count):
        average.apply({name: tensor(values) for name, values in MODEL.items()})
    return average.model


def bytes_of(wire, path, framing):
    """Everything that a connection sends for one upload."""
    if framing == "length":
        return wire.encoded(upload_to(path, BODY))
    pieces = (BODY[at:at + 13] for at in range(0, len(BODY), 13))
    return wire.encoded(upload_to(path, b"", length=UNTOLD), *pieces)


@contextlib.contextmanager
def untouched(client, first):
    """A session, and a function that fails unless it is what it was; it is usable afterwards."""
    with client.session({"strategy": "polynomial_decay"}) as session:
        folded = 0 if first else session.fold(MODEL)["revision"]
        before = visible(session)

        def look(where):
            assert visible(session) == before, where

        yield session, look
        # The turn is free, and of all those requests nothing was kept.
        answer = session.fold(MODEL)
        assert answer["revision"] == folded + 1
        assert answer["averages"]["main"]["average_counter"] == folded + 1
        assert_same(session.average().model(), expected(folded + 1))


@pytest.mark.parametrize("framing", ["length", "pieces"])
@pytest.mark.parametrize("ending", ["fin", "rst"])
@pytest.mark.parametrize("first", [True, False], ids=["first model", "later model"])
def test_a_request_cut_at_every_byte_changes_nothing(service, client, framing, ending, first):
    with untouched(client, first) as (session, look):
        for cut in itertools.count(1):
            with service.wire() as wire:
                sent = bytes_of(wire, session.path, framing)
                if cut == len(sent):
                    break
                wire.send(sent[:cut])
                if ending == "rst":
                    wire.reset()
                else:
                    wire.finish()
                    wire.assert_ends_without_success()
            if cut % 25 == 0:
                look(f"cut at {cut}")
    assert cut > len(BODY)


@pytest.mark.parametrize("first", [True, False], ids=["first model", "later model"])
def test_an_upload_given_up_at_every_byte_changes_nothing(service, client, first):
    with untouched(client, first) as (session, look):
        wire = service.wire()
        for cut in range(len(BODY)):
            wire.open(upload_to(session.path, BODY[:cut], length=len(BODY)))
            wire.cancel()
            if HTTP2:
                # Only the stream has ended.
                wire.assert_goes_on()
            else:
                wire = service.wire()
            if cut % 25 == 0:
                look(f"cut at {cut}")
        wire.close()


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
    with client.session({"strategy": "polynomial_decay"}) as session, service.wire() as wire:
        for cut in range(1, len(BODY)):
            wire.open(upload_to(session.path, BODY[:cut], length=len(BODY)))
            assert wire.complete(BODY[cut:]).status == 200, f"split at {cut}"
        assert_same(session.average().model(), expected(len(BODY) - 1))
