"""A session's double outside the service: what was acknowledged, computed by the oracle.

One client sends a `Change` at a time, so at most one is in doubt when the service dies; `settle`
finds out from the service which of the two states it left, and nothing else is allowed.
"""

import http.client
import json
import time

import numpy as np

import oracle
from harness import SAFETENSORS
from models import assert_same, encode, tensor

LOST = (ConnectionError, http.client.HTTPException, TimeoutError)


def let_work(writers, seconds):
    """Returns after `seconds`, which are the random instant of a test, or when a writer failed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not any(writer.failure for writer in writers):
        time.sleep(0.001)


class Change:
    """One request that changes a session, and what it must do to the session's double."""

    def __init__(self, kind, method, path, body=None, *, headers=None, query="", **facts):
        self.kind, self.method, self.body, self.facts = kind, method, body, facts
        self.path, self.headers = path + query, headers or {}

    @property
    def is_recognised(self):
        """Whether the service can tell that it is sent again."""
        return "step" in self.facts or "key" in self.facts

    def send(self, client):
        return client.request(self.method, self.path, self.body, self.headers)

    def __repr__(self):
        return f"{self.method} {self.path} {self.facts.get('key', '')}"


class Mirror:
    """`random` decides what is sent; `shapes` are the tensors' sizes and types, by name."""

    def __init__(self, name, settings, shapes, random):
        self.name, self.settings, self.shapes, self.random = name, settings, shapes, random
        self.path = f"/v1/sessions/{name}"
        self.exists = False
        self.doubt = None
        self.sent = self.acknowledged = self.repeated = self.doubts = self.found = 0
        self._begin()

    def _begin(self):
        self.session = oracle.Session(self.settings)
        self.revision = self.epoch = self.reports = 0
        self.incarnation = None
        self.steps, self.step_answers, self.keyed, self.cached = {}, {}, [], {}

    # What is sent

    def next_change(self):
        """A change at random; a creation when there is no session."""
        if not self.exists:
            return Change("create", "PUT", self.path, self.settings)
        dice = self.random.random()
        if dice < 0.015:
            return Change("delete", "DELETE", self.path)
        if dice < 0.15:
            return self.report()
        if dice < 0.25:
            return self._cached()
        return self.upload()

    def upload(self):
        self.sent += 1
        seed = int(self.random.integers(1 << 40))
        trainer = f"rank{self.random.integers(3)}"
        facts, headers, query = {"seed": seed}, {"Content-Type": SAFETENSORS}, f"?trainer={trainer}"
        dice = self.random.random()
        if dice < 0.6:
            facts |= {"trainer": trainer,
                      "step": self.steps.get(trainer, 0) + int(self.random.integers(1, 4))}
            query += f"&step={facts['step']}"
        if dice > 0.5 and dice < 0.8:
            facts["key"] = headers["Idempotency-Key"] = f"{self.name}-{self.sent}-{seed}"
        return Change("fold", "POST", f"{self.path}/parameters", encode(self.model(seed)),
                      headers=headers, query=query, **facts)

    def model(self, seed):
        random = np.random.default_rng(seed)
        return {name: tensor(random.standard_normal(size), dtype)
                for name, (size, dtype) in self.shapes.items()} | {
                    "seed": tensor(np.array([seed]))}

    def report(self):
        self.sent += 1
        body = json.dumps({"loss": float(self.random.integers(1, 9)), "epoch": self.epoch + 1})
        facts, headers = {}, {"Content-Type": "application/json"}
        if self.random.random() < 0.5:
            facts["key"] = headers["Idempotency-Key"] = f"{self.name}-{self.sent}-report"
        return Change("report", "POST", f"{self.path}/epochs", body, headers=headers, **facts)

    def _cached(self):
        trainer = f"rank{self.random.integers(3)}"
        query = f"?trainer={trainer}"
        if trainer in self.cached and self.random.random() < 0.4:
            return Change("drop", "DELETE", f"{self.path}/cached", query=query, trainer=trainer)
        content = self.random.bytes(int(self.random.integers(1, 50_000)))
        return Change("keep", "PUT", f"{self.path}/cached", content, query=query,
                      headers={"Content-Type": f"application/x-{trainer}"}, trainer=trainer)

    # What becomes of it

    def submit(self, client, change=None):
        """Sends a change, one that the service recognises up to five times; checks each answer."""
        change = change or self.next_change()
        self.doubt = change
        answer = change.send(client)
        assert 200 <= answer.status < 300, (change, answer)
        self.accept(change, answer)
        if not change.is_recognised or not self.exists:
            return
        for _ in range(self.random.integers(0, 5)):
            self.repeated += 1
            self.check_repeated(change, answer, change.send(client))

    def accept(self, change, answer):
        """The change was acknowledged: makes it in the double and checks the answer."""
        self.doubt = None
        self.acknowledged += 1
        before = self.revision
        self.apply(change)
        if change.kind in ("fold", "report"):
            said = answer.json()
            assert said["revision"] == self.revision, (change, answer)
            for name, average in self.session.averages.items():
                assert said["averages"][name]["averaging_started"] == average.started, answer
            if self.revision > before:
                self.remember(change, answer)
        if change.kind == "create":
            self.incarnation = answer.json()["incarnation"]

    def remember(self, change, answer):
        if "step" in change.facts:
            self.step_answers[change.facts["trainer"]] = (change, answer)
        if "key" in change.facts:
            self.keyed.append((change, answer))

    def apply(self, change):
        facts = change.facts
        if change.kind == "create":
            self.exists = True
        elif change.kind == "delete":
            self.exists = False
            self._begin()
        elif change.kind == "keep":
            self.cached[facts["trainer"]] = (change.headers["Content-Type"], change.body)
        elif change.kind == "drop":
            del self.cached[facts["trainer"]]
        elif change.kind == "report":
            body = json.loads(change.body)
            self.session.report(body["loss"], body["epoch"])
            self.epoch = body["epoch"]
            self.reports += 1
            self.revision += 1
        elif any(average.started for average in self.session.averages.values()):
            self.session.apply(self.model(facts["seed"]))
            self.revision += 1
            if "step" in facts:
                self.steps[facts["trainer"]] = facts["step"]

    def check_repeated(self, change, first, again):
        """Sent once more, after whatever happened in between."""
        if not first.json().get("applied", True):
            # Nothing had started, so nothing was recorded, and it still has not.
            assert again.json() == first.json(), (first, again)
        elif "key" in change.facts:
            assert (again.status, again.body) == (first.status, first.body), (first, again)
        else:
            assert again.status == 200, again
            assert again.json() == first.json() | {"duplicate": True}, (first, again)

    # After a crash

    def settle(self, client):
        """Decides a change in doubt by what the service shows; then everything must be equal."""
        change = self.doubt
        if change:
            self.doubts += 1
            if self._was_made(client, change):
                self.found += 1
                before = self.revision
                self.apply(change)
                self.doubt = None
                if change.kind == "create":
                    self.incarnation = client.get(self.path).json()["incarnation"]
                if change.is_recognised and self.revision > before:
                    self._repeat_found(client, change)
        self.check(client)
        self.doubt = None

    def _was_made(self, client, change):
        if change.kind in ("create", "delete"):
            found = client.get(self.path).status
            assert found in (200, 404), found
            return (found == 200) == (change.kind == "create")
        if change.kind in ("keep", "drop"):
            answer = client.get(change.path.replace("parameters", "cached"))
            if change.kind == "drop":
                return answer.status == 404
            return answer.status == 200 and answer.body == change.body
        found = client.get(self.path).json()["revision"]
        assert found in (self.revision, self.revision + 1), (found, self.revision, change)
        return found == self.revision + 1

    def _repeat_found(self, client, change):
        """The answer that never arrived, now; it must be that of the revision it made."""
        answer = change.send(client)
        assert answer.status == 200, answer
        assert answer.json()["revision"] == self.revision, (answer, self.revision)
        assert ("step" in change.facts and "key" not in change.facts) == (
            "duplicate" in answer.json()), answer
        said = {**answer.json()}
        said.pop("duplicate", None)
        self.remember(change, type(answer)(200, answer.headers, json.dumps(said).encode())
                      if "duplicate" in answer.json() else answer)

    def check(self, client):
        """Everything that the service shows of the session against the double."""
        answer = client.get(self.path)
        if not self.exists:
            assert answer.status == 404, answer
            return
        state = answer.json()
        assert state.get("revision") == self.revision, (self.revision, answer)
        assert state["incarnation"] == self.incarnation and "recovered" not in state, answer
        assert state["last_step"] == self.steps, (self.steps, answer)
        assert state["reports"] == self.reports, answer
        if self.settings.get("durability") == "disk":
            assert state["durable_revision"] == self.revision, answer
        for name, average in self.session.averages.items():
            shown = state["averages"][name]
            assert shown["averaging_started"] == average.started, answer
            assert shown["average_counter"] == average.count, answer
            assert shown["losses"] == average.losses, answer
            if average.count:
                assert_same(client.get(f"{self.path}/averages/{name}").model(), average.model)
        for trainer in ("rank0", "rank1", "rank2"):
            self._check_cached(client, trainer)
        self._check_recognised(client)
        again = client.get(self.path).json()
        # A checkpoint may have been written meanwhile.
        assert again | {"durable_revision": None} == state | {"durable_revision": None}

    def _check_cached(self, client, trainer):
        answer = client.get(f"{self.path}/cached?trainer={trainer}")
        if trainer in self.cached:
            kind, content = self.cached[trainer]
            assert (answer.status, answer["Content-Type"]) == (200, kind), answer
            assert answer.body == content, f"cached weights of {trainer}"
        else:
            assert answer.status == 404, answer

    def _check_recognised(self, client):
        """Steps and keys answer as at first."""
        for change, first in self.step_answers.values():
            if "key" not in change.facts:
                self.check_repeated(change, first, change.send(client))
        if self.keyed:
            for index in self.random.integers(0, len(self.keyed), 2):
                change, first = self.keyed[index]
                self.check_repeated(change, first, change.send(client))
            change, _ = self.keyed[-1]
            other = client.request("POST", change.path, b"{}", change.headers)
            other.problem(422, "idempotency-key-reused")
        for trainer, step in self.steps.items():
            if step > 0:
                stale = client.request("POST", f"{self.path}/parameters?trainer={trainer}&step="
                                       f"{step - 1}", b"", {"Content-Type": SAFETENSORS})
                stale.problem(409, "stale-step")
