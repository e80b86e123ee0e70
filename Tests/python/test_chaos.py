"""64 trainers on 16 sessions at once, with clients that vanish at random bytes.

POLYAK_CHAOS_SECONDS (default 20) and POLYAK_CHAOS_SEED choose how long and which. What each
session's average must be is computed from the requests that were answered, in the order of the
revisions in the answers. A trainer whose connection broke off sends the same step again: the
answer says whether the service had taken it.
"""

import os
import threading
import time

import numpy as np

import oracle
from harness import PATIENCE, SAFETENSORS, Request, Session, eventually
from models import assert_same, encode, tensor

SECONDS = float(os.environ.get("POLYAK_CHAOS_SECONDS", 20))
SEED = int(os.environ.get("POLYAK_CHAOS_SEED", 1))
SESSIONS, TRAINERS = 16, 4
# Steps of each trainer, if the machine stands still until the end.
LEAST = 5
MIB = 1 << 20

SETTINGS = [
    {"strategy": "polynomial_decay", "eta": 3},
    {"averages": {"main": {"rule": {"name": "ema", "decay": 0.9}},
                  "mean": {"rule": {"name": "uniform"}},
                  "last": {"rule": {"name": "latest"}}}},
    {"strategy": "alpha_suffix", "epochs": 8, "alpha": 0.5, "accumulator": "F64"},
    {"averages": {"main": {"strategy": "nta", "epochs": 12, "n": 2, "fallback_alpha": 0.5},
                  "always": {"trigger": {"name": "immediate"}}}},
]


class Shape:
    """What the models of one session look like; a model is made again from its seed."""

    def __init__(self, number):
        random = np.random.default_rng([SEED, number])
        sizes = np.exp(random.uniform(0, np.log(60_000), random.integers(1, 6))).astype(int)
        self.number = number
        self.tensors = {f"layer{index}": (int(size), random.choice(["F32", "F32", "F16", "BF16",
                                                                     "F64"]).item())
                        for index, size in enumerate(sizes)}

    def model(self, trainer, step):
        random = np.random.default_rng([SEED, self.number, trainer, step])
        model = {name: tensor(random.standard_normal(size), dtype)
                 for name, (size, dtype) in self.tensors.items()}
        return model | {"count": tensor(np.array([trainer, step]))}


class Trainer(threading.Thread):
    """Uploads until the end; vanishes now and then, and sends that step again."""

    def __init__(self, service, session, shape, number, end):
        super().__init__()
        self.service, self.session, self.shape = service, session, shape
        self.number, self.end = number, end
        self.random = np.random.default_rng([SEED, 77, shape.number, number])
        # What was taken: (revision, step) and (revision, loss, epoch).
        self.folded, self.reported = [], []
        self.vanished, self.duplicates, self.failure = 0, 0, None

    def run(self):
        try:
            with self.service.client() as client:
                self._train(client)
        except Exception as error:
            self.failure = error

    def _train(self, client):
        step = epoch = 0
        while time.monotonic() < self.end or step < LEAST:
            step += 1
            body = encode(self.shape.model(self.number, step))
            path = f"{self.session}/parameters?step={step}&trainer=t{self.number}"
            complete = self._vanish(path, body) if self.random.random() < 0.3 else None
            self._upload(client, path, body, step, complete)
            if self.random.random() < 0.2:
                epoch += 1
                self._report(client, epoch)
            if self.random.random() < 0.2:
                answer = client.get(f"{self.session}/averages/main")
                assert answer.status in (200, 404), answer

    def _vanish(self, path, body):
        """Sends the beginning of the request and leaves; whether it was all of it."""
        self.vanished += 1
        # Before averaging starts no step is kept, so nothing would tell later whether a request
        # that was overtaken by its repetition was taken in the end.
        whole = bool(self.folded) and self.random.random() < 0.15
        share = 1 if whole else self.random.random()
        with self.service.wire() as wire:
            try:
                self._leave(wire, path, body, share)
            except OSError:
                # The service had given up on this upload: it was not complete then.
                assert not whole
        return whole

    def _leave(self, wire, path, body, share):
        """Sends this share of the request and ends the connection, or only the request."""
        field = f"Content-Type: {SAFETENSORS}"
        ending = self.random.choice(["reset", "finish", "cancel"])
        if ending == "cancel":
            part = body[:int(len(body) * share)]
            wire.open(Request("POST", path, part, field, length=len(body)))
            wire.cancel()
        else:
            wire.open_share(Request("POST", path, body, field), share)
            wire.reset() if ending == "reset" else wire.finish()

    def _upload(self, client, path, body, step, complete):
        headers = {"Content-Type": SAFETENSORS}
        answer = client.request("POST", path, body, headers)
        while answer.status == 409 and answer.json()["type"] == "/problems/in-progress":
            # The service has not noticed yet that the first sender is gone.
            time.sleep(0.01)
            answer = client.request("POST", path, body, headers)
        assert answer.status == 200, answer
        said = answer.json()
        if said.get("duplicate"):
            assert complete, "an upload was taken that never came whole"
            self.duplicates += 1
        if said["applied"]:
            self.folded.append((said["revision"], step))

    def _report(self, client, epoch):
        loss = float(self.random.integers(1, 9))
        answer = client.request("POST", f"{self.session}/epochs", {"loss": loss, "epoch": epoch})
        assert answer.status == 200, answer
        self.reported.append((answer.json()["revision"], loss, epoch))


def replayed(settings, shape, trainers):
    """The oracle's session after everything that was taken, in the order of revisions."""
    changes = []
    for trainer in trainers:
        changes += [(revision, "fold", trainer.number, step) for revision, step in trainer.folded]
        changes += [(revision, "report", loss, epoch)
                    for revision, loss, epoch in trainer.reported]
    changes.sort()
    assert [each[0] for each in changes] == list(range(1, len(changes) + 1)), "every revision once"
    session = oracle.Session(settings)
    for _, what, first, second in changes:
        if what == "fold":
            assert any(session.apply(shape.model(first, second)).values())
        else:
            session.report(first, second)
    return session, len(changes)


def test_many_trainers_at_once_and_clients_that_vanish(start_service):
    service = start_service()
    with service.client() as client:
        with client.session({"rule": {"name": "uniform"}}) as warm:
            warm.fold({"w": np.ones(100_000, np.float32)})
        before = service.descriptors(), service.memory(), service.runtime_bytes()
        sessions = [client.session(SETTINGS[number % len(SETTINGS)], f"chaos-{number}")
                    for number in range(SESSIONS)]
        shapes = [Shape(number) for number in range(SESSIONS)]
        end = time.monotonic() + SECONDS
        trainers = [[Trainer(service, session.path, shape, number, end)
                     for number in range(TRAINERS)] for session, shape in zip(sessions, shapes)]
        everyone = [trainer for group in trainers for trainer in group]
        for trainer in everyone:
            trainer.start()
        for trainer in everyone:
            trainer.join(SECONDS + 2 * PATIENCE)
            assert not trainer.is_alive(), "a trainer is stuck"
        failures = [trainer.failure for trainer in everyone if trainer.failure]
        assert not failures, failures[:3]

        for session, shape, group in zip(sessions, shapes, trainers):
            check(session, shape, group)
        folds = sum(len(trainer.folded) for trainer in everyone)
        vanished = sum(trainer.vanished for trainer in everyone)
        duplicates = sum(trainer.duplicates for trainer in everyone)
        print(f"{folds} uploads folded, {vanished} clients vanished, {duplicates} of them after "
              "their upload was taken")
        assert folds > SESSIONS * TRAINERS and vanished > 0

        for session in sessions:
            assert client.request("DELETE", session.path).status == 204
        # The allocator keeps some of what it was given; a leaked slot or body would be more.
        eventually(lambda: service.descriptors() <= before[0],
                   lambda: f"{service.descriptors()} descriptors, {before[0]} before")
        eventually(lambda: service.runtime_bytes() <= before[2],
                   lambda: f"{service.runtime_bytes()} bytes of slots, {before[2]} before")
        eventually(lambda: service.memory() <= before[1] + 32 * MIB,
                   lambda: f"{service.memory()} bytes of memory, {before[1]} before")


def check(session: Session, shape, group):
    ideal, revision = replayed(session.settings, shape, group)
    state = session.state()
    assert state["revision"] == revision
    for name, average in ideal.averages.items():
        shown = state["averages"][name]
        assert shown["averaging_started"] == average.started
        assert shown["average_counter"] == average.count
        assert shown["losses"] == average.losses
        if average.count:
            assert_same(session.average(name).model(), average.model)
