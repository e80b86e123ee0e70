"""Power cuts: a file system in a file is shut down without flushing its journal, then mounted again.

POLYAK_POWER_CUTS (default 4) is how many; POLYAK_POWER_SEED which. That the test would find a
missing fsync is shown by a run in which fsync does nothing. It needs loop devices and the right to
mount.
"""

import contextlib
import os
import threading

import numpy as np
import pytest

from disk import SYSTEMS, Disk
from faults import Faults
from harness import PATIENCE
from home import Home
from mirror import LOST, Mirror, let_work

CUTS = int(os.environ.get("POLYAK_POWER_CUTS", 4))
SEED = int(os.environ.get("POLYAK_POWER_SEED", 1))
SETTINGS = {"averages": {"main": {"rule": {"name": "ema", "decay": 0.5}},
                         "mean": {"rule": {"name": "uniform"}}}, "durability": "disk"}
# The second one has files that are written past the page cache.
SHAPES = [{"weight": (500, "F32"), "bias": (3, "F64")}, {"weight": (400_000, "F32")}]


class Writer(threading.Thread):
    """Compares one session with its double, then sends changes until one is refused."""

    def __init__(self, disk, service, mirror, compared):
        super().__init__(daemon=True)
        self.disk, self.service, self.mirror, self.compared = disk, service, mirror, compared
        self.failure = None
        self.start()

    def run(self):
        try:
            with self.service.client() as client:
                self.mirror.settle(client)
                self.compared.release()
                with contextlib.suppress(*LOST):
                    while self._change(client):
                        pass
        except Exception as error:
            self.failure = error
            self.compared.release()

    def _change(self, client):
        change = self.mirror.doubt = self.mirror.next_change()
        answer = change.send(client)
        # A machine without power answers nothing. Here the kernel lives on, and XFS then says of a
        # directory that it is synced when it has just forgotten its changes.
        if self.disk.is_cut or not 200 <= answer.status < 300:
            return False
        self.mirror.accept(change, answer)
        return True


def cut_once(disk, home, mirrors, random, environment=None):
    """Starts the service without a runtime directory, lets the writers work, cuts the power."""
    home.lose_runtime()
    service, compared = home.start(environment=environment), threading.Semaphore(0)
    writers = [Writer(disk, service, mirror, compared) for mirror in mirrors]
    for _ in mirrors:
        assert compared.acquire(timeout=2 * PATIENCE), "a session was not compared in time"
    let_work(writers, random.uniform(0.02, 0.5))
    disk.cut()
    for writer in writers:
        writer.join(PATIENCE)
        assert not writer.is_alive(), "a writer is stuck"
    home.kill()
    disk.unmount()
    disk.mount()
    for writer in writers:
        if writer.failure:
            raise AssertionError(writer.mirror.name) from writer.failure


def compare(home, mirrors):
    home.lose_runtime()
    home.start()
    with home.client() as client:
        for mirror in mirrors:
            mirror.settle(client)
    assert home.verify()[0] == 0
    home.kill()


def make_mirrors(seed):
    return [Mirror(f"disk-{number}", SETTINGS, shapes, np.random.default_rng([seed, number]))
            for number, shapes in enumerate(SHAPES)]


@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_power_cut_takes_nothing_acknowledged_from_a_disk_session(kind):
    random, mirrors = np.random.default_rng(SEED), make_mirrors(SEED)
    with Disk(kind) as disk, Home("--checkpoint-interval", "50ms",
                                  data=disk.point / "data") as home:
        for _ in range(CUTS):
            cut_once(disk, home, mirrors, random)
        compare(home, mirrors)
    print(f"{kind}: {CUTS} cuts, {sum(each.acknowledged for each in mirrors)} changes "
          f"acknowledged, {sum(each.doubts for each in mirrors)} in doubt, of which "
          f"{sum(each.found for each in mirrors)} had been made")


@pytest.mark.parametrize("kind", SYSTEMS)
def test_without_fsync_the_same_cuts_do_lose_what_was_acknowledged(kind):
    random, mirrors = np.random.default_rng(SEED), make_mirrors(SEED)
    with Disk(kind) as disk, Home("--checkpoint-interval", "50ms",
                                  data=disk.point / "data") as home, \
            Faults(disk.point, mode="skip", sticky=True, only="fsync,fdatasync") as faults:
        faults.begin()
        with pytest.raises(AssertionError):
            # The kernel writes by itself every few seconds, and then there is nothing to lose. The
            # next round compares; nearly always the first cut is enough.
            for _ in range(40):
                cut_once(disk, home, mirrors, random, faults.environment)
        assert faults.hits > 0
        # Whatever is running is ended by `home`.
