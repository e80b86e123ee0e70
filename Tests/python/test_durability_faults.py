"""Every file operation of a small run may fail, once or for good, or be the service's last.

After each: the old state or the new one, never a third; what was acknowledged is there; a refusal
is problem+json; the service lives, and the next request works. Of the points, every
POLYAK_FAULT_STRIDE-th is tried (default 31); 1 tries all of them.
"""

import os
import zlib

import numpy as np
import pytest

from faults import Faults
from harness import eventually
from home import Home
from mirror import LOST, Change, Mirror
from models import assert_same

STRIDE = int(os.environ.get("POLYAK_FAULT_STRIDE", 31))
SHAPES = {"weight": (300, "F32"), "bias": (3, "F64")}
SETTINGS = {
    "disk": {"averages": {"main": {"rule": {"name": "uniform"}},
                          "late": {"strategy": "alpha_suffix", "epochs": 2, "alpha": 0.5}},
             "durability": "disk"},
    "process": {"rule": {"name": "ema", "decay": 0.5}},
}
# Often enough that checkpoints are among what fails.
INTERVAL = {"disk": "24h", "process": "10ms"}
WAYS = [(mode, error, sticky) for sticky in (False, True)
        for mode, error in (("fail", "EIO"), ("fail", "ENOSPC"), ("fail", "EMFILE"),
                            ("short", "EIO"))] + [
    (mode, "EIO", False) for mode in ("kill-before", "kill-half", "kill-after")]


class Script(Mirror):
    """A session with a fixed order of changes."""

    def __init__(self, durability, name="run"):
        super().__init__(name, SETTINGS[durability], SHAPES, np.random.default_rng(5))

    def changes(self):
        yield Change("create", "PUT", self.path, self.settings)
        for _ in range(2):
            yield self.upload()
            yield self.report()
        yield self.kept(b"one")
        yield self.upload()
        yield self.kept(b"one more")
        yield Change("drop", "DELETE", f"{self.path}/cached", query="?trainer=rank0",
                     trainer="rank0")
        yield Change("delete", "DELETE", self.path)
        yield Change("create", "PUT", self.path, self.settings)
        yield self.upload()
        yield self.kept(b"two")

    def kept(self, content):
        return Change("keep", "PUT", f"{self.path}/cached", content, query="?trainer=rank0",
                      trainer="rank0", headers={"Content-Type": "application/x-test"})


class Point:
    """One operation that goes wrong, and everything that must hold then."""

    def __init__(self, home, faults, durability, way):
        self.home, self.faults, self.durability = home, faults, durability
        self.mode, self.error, self.sticky = way
        self.script = Script(durability)
        self.is_read_only = False

    def run(self):
        try:
            self.home.start("--checkpoint-interval", INTERVAL[self.durability],
                            environment=self.faults.environment)
        except AssertionError as failure:
            assert self.faults.hits, failure
            assert self.mode.startswith("kill") or "cannot start: " in str(failure), failure
            self.home.service = None
        else:
            try:
                with self.home.client() as client:
                    self._changes(client)
                if self.mode.startswith("kill"):
                    # The checkpoint and the mark of a clean stop are operations too.
                    self.home.service.process.terminate()
                    self.home.collect()
                else:
                    assert self.home.service.process.poll() is None, "the service ended"
                    self.home.kill()
            except LOST:
                assert self.mode.startswith("kill") and self.faults.hits
                self.home.collect()
        self._restarts()

    def _changes(self, client):
        for change in self.script.changes():
            if self._refused(client, change):
                # Once is enough; what follows must work without a restart.
                self.faults.end()
                if not self.is_read_only and self._refused(client, change):
                    assert self.is_read_only, "refused again without a fault"
            if self.is_read_only:
                return

    def _refused(self, client, change):
        """Sends a change; a refusal must be a good one and leave nothing behind."""
        self.script.doubt = change
        answer = change.send(client)
        if 200 <= answer.status < 300:
            self.script.accept(change, answer)
            return False
        problem = answer.json()
        assert answer["Content-Type"] == "application/problem+json", answer
        assert self.faults.hits, answer
        if problem["type"] == "/problems/session-read-only":
            assert answer.status == 503, answer
            self.is_read_only = True
            return True
        # After a failed sync of a directory nobody knows what is there.
        is_full = self.error == "ENOSPC" and not self.faults.first.startswith("fsync")
        expected = {507 if is_full else 500}
        if self.error == "ENOSPC" and self.sticky and self.durability == "process":
            # What failed first may have been a checkpoint's sync, and this request's a removal.
            expected = {507, 500}
        assert answer.status in expected, answer
        assert problem["type"] == {507: "/problems/insufficient-storage",
                                   500: "/problems/internal-error"}[answer.status], answer
        if change.kind in ("create", "delete"):
            # What could not be removed is named until it is.
            found = client.get(self.script.path)
            if change.kind == "delete" or found.status != 404:
                found.problem(503, "session-damaged")
                self.faults.end()
                assert client.request("DELETE", self.script.path).status == 204
                client.get(self.script.path).problem(404, "session-not-found")
            if change.kind == "delete":
                self.script.apply(change)
                self.script.doubt = None
                return False
        self.script.doubt = None
        self.script.check(client)
        return True

    def _restarts(self):
        """Without faults: with the runtime directory, then without it."""
        self.faults.end()
        self.home.start("--checkpoint-interval", "10ms")
        with self.home.client() as client:
            self.script.settle(client)
            for change in (self.script.upload(), self.script.kept(b"three")):
                if not self.script.exists:
                    self.script.submit(client)
                self.script.submit(client, change)
            self.script.check(client)
        eventually(lambda: self.home.state("run")["durable_revision"] == self.script.revision,
                   "no checkpoint")
        # The cached weights are no revision: the stop writes them.
        self.home.stop()
        self.home.lose_runtime()
        self.home.start()
        with self.home.client() as client:
            self.script.check(client)
        status, report = self.home.verify()
        assert status == 0, report
        self.home.kill()


def total(durability, directory, way):
    """How many operations a run without faults has."""
    with Home() as home, Faults(getattr(home, directory)) as faults:
        Point(home, faults, durability, way).run()
        return faults.count


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(
    [*way[:2], "sticky" if way[2] else "once"]))
@pytest.mark.parametrize("directory", ["data", "runtime"])
@pytest.mark.parametrize("durability", ["disk", "process"])
def test_whatever_fails_leaves_the_old_state_or_the_new_one(durability, directory, way):
    count = total(durability, directory, way)
    start = 1 + zlib.crc32(repr((durability, directory, way)).encode()) % min(STRIDE, count)
    tried = hits = 0
    for number in range(start, count + 1, STRIDE):
        mode, error, sticky = way
        with Home() as home, Faults(getattr(home, directory), mode=mode, error=error,
                                    sticky=sticky) as faults:
            faults.at(number)
            try:
                Point(home, faults, durability, way).run()
            except Exception as failure:
                raise AssertionError(f"operation {number} of {count}: {faults.first}") from failure
            tried += 1
            hits += faults.hits > 0
    print(f"{durability} {directory} {'-'.join(map(str, way))}: {tried} of {count} points tried, "
          f"{hits} hit")


def test_a_failed_sync_makes_the_session_read_only_until_its_files_are_read_again():
    settings = SETTINGS["disk"]
    with Home("--checkpoint-interval", "24h") as home, \
            Faults(home.data, only="fsync,fdatasync") as faults:
        home.start(environment=faults.environment)
        script, other = (Script("disk", name) for name in ("run", "other"))
        with home.client() as client:
            for each in (script, other):
                each.submit(client, Change("create", "PUT", each.path, settings))
                each.submit(client, each.upload())
            faults.after(1)
            change = script.doubt = script.upload()
            # The sync would succeed from the second time on, and would prove nothing.
            for sent in (change, change, script.upload(), script.report(), script.kept(b"no")):
                said = sent.send(client).problem(503, "session-read-only")
                assert "Restart the service" in said["detail"] and str(home.data) in said["detail"]
            assert faults.hits == 1
            assert "cannot be synced" in home.state("run")["read_only"]
            assert home.state("run")["revision"] == script.revision
            average = client.get(f"{script.path}/averages/main")
            assert_same(average.model(), script.session["main"].model)
            other.submit(client, other.upload())
        home.kill()
        home.start()
        with home.client() as client:
            for each in (script, other):
                each.settle(client)
                each.submit(client, each.upload())
                each.check(client)
            assert "read_only" not in home.state("run")


RECOVERIES = [(directory, lose, mode) for directory in ("data", "runtime")
              for lose in (False, True) for mode in ("fail", "kill-before", "kill-half")]


@pytest.mark.parametrize("directory, lose, mode", RECOVERIES)
def test_whatever_fails_while_sessions_are_found_again_they_are_found_the_next_time(
        directory, lose, mode):
    """Reading operations fail too; `lose` is a start without the runtime directory."""
    scripts = [Script("disk", "first"), Script("process", "second")]
    with Home() as home:
        home.start("--checkpoint-interval", "24h")
        with home.client() as client:
            for script in scripts:
                for change in (Change("create", "PUT", script.path, script.settings),
                               script.upload(), script.report(), script.kept(b"one")):
                    script.submit(client, change)
        home.stop()
        prepared = home.files()
        with Faults(getattr(home, directory), mode=mode, reads=True) as faults:
            if lose:
                home.lose_runtime()
            home.start(environment=faults.environment)
            count = faults.count
            home.kill()
        tried = refused = damaged = 0
        stride = max(1, STRIDE // 4)
        for number in range(1 + zlib.crc32(repr((directory, lose, mode)).encode()) % stride,
                            count + 1, stride):
            home.put_back(prepared)
            if lose:
                home.lose_runtime()
            with Faults(getattr(home, directory), mode=mode, reads=True) as faults:
                faults.at(number)
                try:
                    home.start("--checkpoint-interval", "10ms", environment=faults.environment)
                except AssertionError as failure:
                    assert faults.hits, failure
                    assert mode != "fail" or "cannot start: " in str(failure), failure
                    refused += 1
                else:
                    damaged += check_found(home, scripts)
                    home.kill()
                tried += 1
                what = f"operation {number} of {count}: {faults.first}"
            try:
                home.start("--checkpoint-interval", "24h")
                assert check_found(home, scripts) == 0, "damaged without a fault"
                home.stop()
                home.lose_runtime()
                home.start("--checkpoint-interval", "24h")
                assert check_found(home, scripts) == 0, "damaged without a fault"
                home.stop()
            except Exception as failure:
                raise AssertionError(what) from failure
        print(f"recovery, {directory}, lost {lose}, {mode}: {tried} of {count} points tried, "
              f"{refused} starts refused, {damaged} sessions not read")


def check_found(home, scripts):
    """Every session is right, or named as one that cannot be read; how many are not."""
    damaged = 0
    with home.client() as client:
        for script in scripts:
            answer = client.get(script.path)
            if answer.status == 503:
                answer.problem(503, "session-damaged")
                damaged += 1
                continue
            script.check(client)
    return damaged
