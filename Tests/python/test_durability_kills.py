"""`kill -9` at random instants under seeded clients; after each, every session is the oracle's.

POLYAK_KILLS (default 300) and POLYAK_KILLS_SEED choose how many and which.
"""

import os
import threading

import numpy as np

from harness import PATIENCE
from home import Home
from mirror import LOST, Mirror, let_work

KILLS = int(os.environ.get("POLYAK_KILLS", 300))
SEED = int(os.environ.get("POLYAK_KILLS_SEED", 1))

SMALL = {"weight": (700, "F32"), "bias": (9, "F64"), "half": (33, "BF16")}
LARGE = {"weight": (1_500_000, "F32"), "bias": (1000, "F32")}
NTA = {"strategy": "nta", "epochs": 12, "n": 2, "fallback_alpha": 0.5}
PAIR = {"averages": {"main": {"rule": {"name": "ema", "decay": 0.9}}, "late": NTA}}
SESSIONS = [("process", {"strategy": "polynomial_decay", "eta": 3}, SMALL),
            ("process-nta", NTA, SMALL),
            ("process-large", {"rule": {"name": "uniform"}}, LARGE),
            ("disk", {**PAIR, "durability": "disk"}, SMALL)]


class Writer(threading.Thread):
    """Compares one session with its double, then sends changes until the service dies."""

    def __init__(self, service, mirror, compared):
        super().__init__(daemon=True)
        self.service, self.mirror, self.compared = service, mirror, compared
        self.failure = None
        self.start()

    def run(self):
        try:
            with self.service.client() as client:
                self.mirror.settle(client)
                self.compared.release()
                while True:
                    self.mirror.submit(client)
        except LOST:
            pass
        except Exception as error:
            self.failure = error
            self.compared.release()


def round_of_death(home, mirrors, random):
    """Starts the service, lets the writers work and kills it; how many sessions were compared."""
    service, compared = home.start(), threading.Semaphore(0)
    writers = [Writer(service, mirror, compared) for mirror in mirrors]
    if random.random() < 0.9:
        for _ in mirrors:
            assert compared.acquire(timeout=2 * PATIENCE), "a session was not compared in time"
    let_work(writers, random.uniform(0, 0.35))
    home.kill()
    for writer in writers:
        writer.join(PATIENCE)
        assert not writer.is_alive(), "a writer is stuck"
        if writer.failure:
            raise AssertionError(f"{writer.mirror.name} after {writer.mirror.sent} changes") \
                from writer.failure


def test_a_kill_at_any_instant_loses_nothing_acknowledged():
    random = np.random.default_rng(SEED)
    mirrors = [Mirror(name, settings, shapes, np.random.default_rng([SEED, number]))
               for number, (name, settings, shapes) in enumerate(SESSIONS)]
    with Home("--checkpoint-interval", "70ms", "--log-level", "notice") as home:
        for _ in range(KILLS):
            round_of_death(home, mirrors, random)
        home.start()
        with home.client() as client:
            for mirror in mirrors:
                mirror.settle(client)
    total = {what: sum(getattr(mirror, what) for mirror in mirrors)
             for what in ("acknowledged", "repeated", "doubts", "found")}
    print(f"{KILLS} kills: {total['acknowledged']} changes acknowledged, {total['repeated']} "
          f"repeated; {total['doubts']} in doubt, of which {total['found']} had been made")
    assert total["acknowledged"] > KILLS and total["repeated"] > 0
