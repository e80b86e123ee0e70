"""Whoever reads while others upload gets one revision whole."""

import hashlib
import threading

import numpy as np
import pytest

import oracle
from harness import PATIENCE, Request, eventually
from models import Tensor, decode, tensor

ELEMENTS = 300_000
UPLOADS = 60


def iterates(count, elements=ELEMENTS):
    random = np.random.default_rng(5)
    base = random.standard_normal(elements).astype(np.float32)
    return [{"w": tensor(np.roll(base, index)), "n": tensor(np.array([index]))}
            for index in range(count)]


def fingerprint(model):
    return hashlib.sha256(model["w"].raw + model["n"].raw).hexdigest()


def revisions(models):
    """{revision: fingerprint} of a uniform mean fed with `models` from revision 1."""
    average, found = oracle.Average({"rule": {"name": "uniform"}}), {}
    for revision, model in enumerate(models, 1):
        average.apply(model)
        found[revision] = fingerprint(average.model)
    return found


def read_whole(client, session):
    answer = client.get(f"{session.path}/averages/main")
    model, metadata = decode(answer.body)
    revision = int(answer["Polyak-Revision"])
    assert int(metadata["revision"]) == revision
    assert f"-{revision}-" in answer["ETag"]
    return revision, fingerprint(model)


def read_parts(client, session):
    """The header by one request, the data by another of the same revision, if it lasted."""
    path = f"{session.path}/averages/main"
    first = client.get(path, {"Range": "bytes=0-7"})
    length = int.from_bytes(first.body, "little")
    rest = client.get(path, {"Range": f"bytes=8-{length + 7}", "If-Match": first["ETag"]})
    data = client.get(path, {"Range": f"bytes={length + 8}-", "If-Match": first["ETag"]})
    if 412 in (rest.status, data.status):
        return None
    assert (first.status, rest.status, data.status) == (206, 206, 206)
    model, _ = decode(first.body + rest.body + data.body)
    return int(first["Polyak-Revision"]), fingerprint(model)


def read_tensor(client, session):
    answer = client.get(f"{session.path}/averages/main/tensors/w",
                        {"Accept": "application/octet-stream"})
    values = np.frombuffer(answer.body, "<f4")
    revision = int(answer["Polyak-Revision"])
    # The integer tensor of revision r is r − 1.
    return revision, fingerprint({"w": Tensor("F32", values),
                                  "n": tensor(np.array([revision - 1]))})


def test_reads_during_uploads_are_of_one_revision(service, client):
    models = iterates(UPLOADS)
    known, seen, wrong = revisions(models), [], []
    with client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(models[0])
        done = threading.Event()

        def read(how):
            with service.client() as mine:
                while not done.is_set():
                    try:
                        found = how(mine, session)
                    except Exception as error:
                        wrong.append(repr(error))
                        return
                    if found:
                        seen.append(found[0])
                        if known.get(found[0]) != found[1]:
                            wrong.append((how.__name__, found))

        readers = [threading.Thread(target=read, args=(how,))
                   for how in (read_whole, read_whole, read_parts, read_tensor)]
        for reader in readers:
            reader.start()
        try:
            for model in models[1:]:
                revision = session.fold(model)["revision"]
                # However the readers are scheduled, they see the average change.
                if revision % 10 == 0:
                    eventually(lambda: wrong or seen and max(seen) > revision - 10, "nobody reads")
        finally:
            done.set()
            for reader in readers:
                reader.join(PATIENCE)
        assert read_whole(client, session) == (UPLOADS, known[UPLOADS])
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("over", ["tcp", "unix"])
@pytest.mark.parametrize("what", ["averages/main", "averages/main/tensors/w"])
@pytest.mark.parametrize("elements", [20_000, 8_000_000])
def test_a_reader_that_stalls_gets_the_revision_it_asked_for(start_service, over, what, elements):
    # The small model lies whole in the socket's buffers, which may be pages of the file itself.
    models = iterates(6, elements)
    known = revisions(models)
    service = start_service(unix=True)
    with service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(models[0])
        readers = []
        for model in models[1:]:
            wire = service.wire(unix=over == "unix")
            wire.open(Request("GET", f"{session.path}/{what}",
                              b"", "Accept: application/octet-stream" if "tensors" in what
                              else "Accept: */*"))
            status, fields = wire.head()
            assert status == 200
            readers.append((wire, fields))
            session.fold(model)
        for wire, fields in readers:
            length, revision = int(fields["Content-Length"]), int(fields["Polyak-Revision"])
            body = wire.body(length)
            if "tensors" in what:
                model = {"w": Tensor("F32", np.frombuffer(body, "<f4")),
                         "n": tensor(np.array([revision - 1]))}
            else:
                model, _ = decode(body)
            assert fingerprint(model) == known[revision]
            wire.close()
        assert [int(fields["Polyak-Revision"]) for _, fields in readers] == [1, 2, 3, 4, 5]


def test_an_average_can_be_read_to_the_end_after_its_session_is_gone(service, client):
    model = {"w": np.arange(8_000_000, dtype=np.float32)}
    session = client.session({"rule": {"name": "uniform"}})
    session.fold(model)
    with service.wire() as wire:
        wire.open(Request("GET", f"{session.path}/averages/main"))
        status, fields = wire.head()
        assert status == 200
        assert client.request("DELETE", session.path).status == 204
        client.get(session.path).problem(404, "session-not-found")
        with client.session({"rule": {"name": "uniform"}}) as other:
            other.fold({"w": np.zeros(8_000_000, np.float32)})
            body = wire.body(int(fields["Content-Length"]))
        assert (decode(body)[0]["w"].data == model["w"]).all()
