"""Readers hold the revision they read, and no more than that: files, memory, and who must go."""

import contextlib
import os
import threading

import numpy as np
import pytest

import oracle
from harness import PATIENCE, Request, eventually, upload_to
from models import assert_same, decode, encode, tensor
from repeated import Repeated

# More than the socket buffers of both sides take, so that a stalled reader stalls the service.
ELEMENTS = 5_000_000
UNIFORM = {"rule": {"name": "uniform"}}
MIB = 1 << 20


def models(count, elements=ELEMENTS):
    base = np.random.default_rng(11).standard_normal(elements).astype(np.float32)
    return [{"w": tensor(np.roll(base, index)), "n": tensor(np.array([index]))}
            for index in range(count)]


def averages(iterates):
    """[the mean of the first r + 1 models]: that of revision r + 1."""
    average, found = oracle.Average(UNIFORM), []
    for model in iterates:
        average.apply(model)
        found.append(dict(average.model))
    return found


@pytest.fixture(scope="module")
def iterates():
    return models(8)


@pytest.fixture(scope="module")
def means(iterates):
    return averages(iterates)


class Reader:
    """A GET of which only the head is read at first."""

    def __init__(self, service, session, query="", fields=(), over="tcp", what="averages/main"):
        self.wire = service.wire(unix=over == "unix")
        self.wire.open(Request("GET", f"{session.path}/{what}{query}", b"", *fields))
        status, self.fields = self.wire.head()
        assert status == 200, status
        self.length = int(self.fields["Content-Length"])
        self.revision = int(self.fields["Polyak-Revision"])
        self.received = b""

    def read(self, count):
        self.received += self.wire.body(min(count, self.length - len(self.received)))

    def whole(self):
        self.read(self.length)
        return self.received

    def model(self):
        return decode(self.whole())[0]

    @property
    def is_dropped(self):
        """Whether the service gave this reader up, whatever still lies in the buffers."""
        return self.wire.is_dropped

    def close(self):
        self.wire.close()


class Files(Repeated):
    """Looks all the time at the slot files in a runtime directory."""

    def __init__(self, service):
        super().__init__(self.look, seconds=0.001)
        self.service, self.most, self.most_bytes = service, {}, 0

    def look(self):
        """{average: its slot files now}."""
        found, size = {}, 0
        for folder, _, names in os.walk(self.service.runtime):
            for name in names:
                if not name.endswith(".safetensors"):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    size += os.stat(os.path.join(folder, name)).st_blocks * 512
                    average = name.split(".")[0]
                    found[average] = found.get(average, 0) + 1
        for average, count in found.items():
            self.most[average] = max(self.most.get(average, 0), count)
        self.most_bytes = max(self.most_bytes, size)
        return found


def ticks(session):
    """Two seconds of the service's own clock: its timer has looked at every reader."""
    etag = session.client.request("HEAD", f"{session.path}/averages/main")["ETag"]
    answer = session.average(headers={"If-None-Match": etag, "Prefer": "wait=2"})
    assert answer.status == 304


@contextlib.contextmanager
def folding(service, session, model):
    """Folds a model in another thread; yields the thread, which has ended after the `with`."""
    failures = []

    def fold():
        try:
            with service.client() as mine:
                answer = mine.request("POST", f"{session.path}/parameters", encode(model))
                assert answer.status == 200, answer
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=fold)
    thread.start()
    yield thread
    thread.join(PATIENCE)
    assert not thread.is_alive() and not failures, failures


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_whoever_stalls_gets_one_revision_and_the_files_are_bounded(
        start_service, iterates, means, over):
    service = start_service("--pinned-revisions", 3, unix=True)
    with service.client() as client, client.session(UNIFORM) as session, Files(service) as files:
        readers = []
        for model, stall in zip(iterates, (0, 1, 100_000, ELEMENTS * 2)):
            session.fold(model)
            readers.append(Reader(service, session, over=over))
            readers[-1].read(stall)
        session.fold(iterates[4])
        files.look()
        for reader in readers:
            assert_same(reader.model(), means[reader.revision - 1])
            reader.close()
        assert [reader.revision for reader in readers] == [1, 2, 3, 4]
        for model in iterates[5:]:
            session.fold(model)
        assert_same(session.average().model(), means[-1])
        assert files.most == {"main": 5}
        eventually(lambda: files.look() == {"main": 2}, lambda: f"{files.look()} are left")
    eventually(lambda: files.look() == {}, lambda: f"{files.look()} are left")


@pytest.mark.parametrize("query,fields,what", [
    ("?dtype=F16", (), "averages/main"), ("?dtype=F64", (), "averages/main/tensors/w"),
    ("", ("Range: bytes=1000-",), "averages/main"), ("", (), "averages/main/tensors/w")])
def test_every_form_of_an_answer_holds_its_revision(
        start_service, iterates, means, query, fields, what):
    service = start_service("--pinned-revisions", 1)
    with service.client() as client, client.session(UNIFORM) as session, Files(service) as files:
        session.fold(iterates[0])
        expected = client.get(f"{session.path}/{what}{query}",
                              dict(field.split(": ") for field in fields)).body
        wire = service.wire()
        wire.open(Request("GET", f"{session.path}/{what}{query}", b"", *fields))
        status, head = wire.head()
        assert status in (200, 206)
        for model in iterates[1:5]:
            session.fold(model)
        assert wire.body(int(head["Content-Length"])) == expected
        wire.close()
        assert files.most["main"] <= 3
        eventually(lambda: files.look() == {"main": 2}, lambda: f"{files.look()} are left")


def test_answers_without_a_body_hold_nothing(start_service, iterates):
    service = start_service("--pinned-revisions", 0)
    with service.client() as client, client.session(UNIFORM) as session, Files(service) as files:
        session.fold(iterates[0])
        idle = [service.wire() for _ in range(3)]
        path = f"{session.path}/averages/main"
        etag = client.request("HEAD", path)["ETag"]
        assert idle[0].ask(Request("HEAD", path)).status == 200
        assert idle[1].ask(Request("HEAD", path + "?dtype=F16")).status == 200
        assert idle[2].ask(Request("GET", path, b"", f"If-None-Match: {etag}")).status == 304
        for model in iterates[1:5]:
            session.fold(model)
        files.look()
        assert files.most == {"main": 2}
        for wire in idle:
            wire.close()


def test_clients_that_idle_after_a_get_hold_up_nothing(start_service, iterates, means):
    service = start_service("--pinned-revisions", 2)
    size = len(encode(iterates[0]))
    with service.client() as client, client.session(UNIFORM) as session, Files(service) as files:
        idle = []
        for index, model in enumerate(iterates):
            # An upload that waited for an idle client would wait longer than this test does.
            session.fold(model)
            idle.append(service.client())
            answer = idle[-1].get(f"{session.path}/averages/main")
            assert_same(answer.model(), means[index])
        # Where pages of the file itself lie in the socket, it is known late that they were read.
        assert files.most["main"] <= 4
        assert files.most_bytes <= 4 * (size + MIB)
        assert service.memory() <= 4 * size + 64 * MIB
        for each in idle:
            assert each.get("/livez").status == 200
        eventually(lambda: files.look() == {"main": 2}, lambda: f"{files.look()} are left")
        assert service.memory() <= 2 * size + 64 * MIB
        for each in idle:
            each.close()


def test_a_slow_reader_is_dropped_when_it_holds_up_an_upload(start_service, iterates, means):
    service = start_service("--pinned-revisions", 1, "--read-rate", "1GiB/s",
                            "--lease-window", "100ms")
    with service.client() as client, client.session(UNIFORM) as session, Files(service) as files:
        readers = []
        for model in iterates[:2]:
            session.fold(model)
            readers.append(Reader(service, session))
        session.fold(iterates[2])
        files.look()
        # Both are long too slow now, and nobody waits for them.
        ticks(session)
        assert [reader.is_dropped for reader in readers] == [False, False]
        # One must go, and one is enough.
        session.fold(iterates[3])
        eventually(lambda: readers[0].is_dropped, "the reader is still there")
        assert not readers[1].is_dropped
        with pytest.raises((EOFError, ConnectionError)):
            readers[0].whole()
        assert_same(readers[1].model(), means[1])
        for reader in readers:
            reader.close()
        assert_same(session.average().model(), means[3])
        assert files.most == {"main": 3}
        eventually(lambda: files.look() == {"main": 2}, lambda: f"{files.look()} are left")


@pytest.mark.parametrize("query", ["", "?dtype=F16"])
def test_a_reader_that_is_fast_enough_is_waited_for(start_service, iterates, means, query):
    service = start_service("--pinned-revisions", 0, "--lease-window", "1h")
    with service.client() as client, client.session(UNIFORM) as session, Files(service) as files:
        session.fold(iterates[0])
        reader = Reader(service, session, query)
        session.fold(iterates[1])
        with folding(service, session, iterates[2]) as upload:
            ticks(session)
            assert upload.is_alive() and not reader.is_dropped
            received = decode(reader.whole())[0]
            # Where every byte was sent, the upload goes on, though the client stays connected.
        expected = {name: oracle.convert(each, "F16") for name, each in means[0].items()} \
            if query else means[0]
        assert_same(received, expected)
        assert_same(session.average().model(), means[2])
        assert files.most == {"main": 2}
        reader.close()


def test_an_upload_that_waits_for_a_reader_can_leave(start_service, iterates, means):
    service = start_service("--pinned-revisions", 0, "--lease-window", "1h")
    with service.client() as client, client.session(UNIFORM) as session:
        session.fold(iterates[0])
        reader = Reader(service, session)
        session.fold(iterates[1])
        body = encode(iterates[2])
        with service.wire() as wire:
            wire.open(upload_to(session.path, body[:1000], length=len(body)))
            ticks(session)
            wire.reset()
        with folding(service, session, iterates[2]):
            assert_same(reader.model(), means[0])
        assert_same(session.average().model(), means[2])
        reader.close()


def test_a_session_can_be_deleted_while_an_upload_waits_for_a_reader(
        start_service, iterates, means):
    service = start_service("--pinned-revisions", 0, "--lease-window", "1h")
    with service.client() as client:
        session = client.session(UNIFORM)
        session.fold(iterates[0])
        reader = Reader(service, session)
        session.fold(iterates[1])
        with service.wire() as wire:
            body = encode(iterates[2])
            wire.open(upload_to(session.path, body[:1000], length=len(body)))
            ticks(session)
            assert client.request("DELETE", session.path).status == 204
            assert wire.answer().status == 404
        assert_same(reader.model(), means[0])
        reader.close()


def test_an_idle_reader_of_a_deleted_session_keeps_no_other_revision(start_service, iterates):
    service = start_service()
    size = len(encode(iterates[0]))
    settings = {"averages": {f"a{number}": UNIFORM for number in range(6)}}
    with service.client() as client, service.client() as idle:
        client.get("/livez")
        before = service.memory()
        session = client.session(settings)
        session.fold(iterates[0])
        session.fold(iterates[1])
        assert service.memory() > before + 11 * size
        assert idle.get(f"{session.path}/averages/a0").status == 200
        assert client.request("DELETE", session.path).status == 204
        eventually(lambda: service.memory() < before + 4 * size,
                   lambda: f"{service.memory() - before} bytes are left")
        assert idle.get("/livez").status == 200


def test_fast_readers_are_never_dropped_and_get_whole_revisions(start_service):
    steps = models(40, 1_000_000)
    means = averages(steps)
    service = start_service("--pinned-revisions", 1)
    settings = {"averages": {"main": UNIFORM, "smooth": UNIFORM,
                             "late": {"strategy": "alpha_suffix", "epochs": 9}}}
    with service.client() as client, client.session(settings) as session, \
            Files(service) as files:
        session.fold(steps[0])
        done, seen, wrong = threading.Event(), set(), []

        def read(average):
            try:
                with service.client() as mine:
                    while not done.is_set():
                        answer = mine.get(f"{session.path}/averages/{average}")
                        revision = int(answer["Polyak-Revision"])
                        assert_same(answer.model(), means[revision - 1])
                        seen.add(revision)
            except Exception as error:
                wrong.append(repr(error))

        readers = [threading.Thread(target=read, args=(average,))
                   for average in ("main", "main", "main", "smooth")]
        for reader in readers:
            reader.start()
        try:
            for model in steps[1:]:
                revision = session.fold(model)["revision"]
                # However the readers are scheduled, they see the average change.
                if revision % 10 == 0:
                    eventually(lambda: wrong or max(seen, default=0) > revision - 10,
                               "nobody reads")
        finally:
            done.set()
            for reader in readers:
                reader.join(PATIENCE)
        assert not wrong, wrong[:3]
        assert files.most.keys() == {"main", "smooth"}
        assert max(files.most.values()) <= 3
        eventually(lambda: files.look() == {"main": 2, "smooth": 2},
                   lambda: f"{files.look()} are left")
