"""Runs an attack against a service and judges it: one row of the table."""

import contextlib
import json
import math
import subprocess
import sys
import threading
import time
import typing

import numpy as np

from attack import MIB, Outcome
from attacked import ELEMENTS, SESSION
from harness import eventually
from models import encode, tensor
from watch import FOLDER, Probe, Watch



class Row(typing.NamedTuple):
    name: str
    outcome: Outcome
    worst: float
    """Milliseconds of a status request beside the attack."""
    p99: float
    failures: int
    growth: int
    growth_after: int
    descriptors_after: int
    processor: float
    """Processors' worth of time that the service used."""


def prepare(service):
    """A session to attack, and everything in memory that the first requests bring there."""
    body = encode({"w": tensor(np.zeros(ELEMENTS, np.float32))})
    with service.client() as client:
        session = client.session({"rule": {"name": "uniform"}}, SESSION)
        for _ in range(3):
            session.fold(body)
            session.average()
        before = service.descriptors()
    for name in ("lawful requests", "HTTP/1.1 lawful requests", "HTTP/1.1 uploads begun and reset"):
        lay(name, service.port, 0.3)
    eventually(lambda: service.descriptors() <= before, "connections are left")


def lay(name, port, seconds):
    """Attacks in another process."""
    done = subprocess.run(
        [sys.executable, FOLDER / "attacker.py", name, str(port), str(seconds)],
        check=True, stdout=subprocess.PIPE, timeout=seconds + 120)
    return Outcome(**json.loads(done.stdout))


def beside(service, name, act):
    """The row of what `act` does, which returns an `Outcome`."""
    with Watch(service) as watch, Probe(service.port) as probe:
        began = time.monotonic()
        outcome = act()
        took = time.monotonic() - began
    with contextlib.suppress(AssertionError):
        eventually(lambda: watch.descriptors_after <= 0, "some are left, which the row tells")
    return Row(name, outcome, probe.worst, probe.p99, probe.failures, watch.growth,
               watch.growth_after, watch.descriptors_after, watch.processor / took)


def besiege(service, attack, seconds):
    port = service.tls_port if attack.tls else service.port
    return beside(service, attack.name, lambda: lay(attack.name, port, seconds))


def compare(service, seconds):
    """Rows without an attack: what the machine itself does to a status request."""
    def wait():
        threading.Event().wait(seconds)
        return Outcome(False, "nothing is sent", 0, 0, 0, seconds)

    def spin():
        subprocess.run([sys.executable, "-c", f"""
import time
end = time.monotonic() + {seconds}
while time.monotonic() < end: pass"""], check=True)
        return Outcome(False, "nothing is sent", 0, 0, 0, seconds)

    yield beside(service, "no attack: an idle machine", wait)
    yield beside(service, "no attack: another process is busy", spin)


HEADINGS = ("attack", "outcome", "sent / s", "connections", "p99 ms", "worst ms", "KiB during",
            "KiB after", "descriptors after", "processors")


def cells(row):
    outcome = row.outcome
    return (row.name, outcome.text + (f"; {row.failures} failures" if row.failures else ""),
            f"{outcome.units / outcome.seconds:,.0f}", f"{outcome.links:,}", f"{row.p99:.1f}",
            f"{row.worst:.1f}", f"{row.growth // 1024:,}", f"{row.growth_after // 1024:,}",
            str(row.descriptors_after), f"{row.processor:.2f}")


def print_row(values):
    print("|", " | ".join(values), "|", flush=True)


def print_headings():
    print_row(HEADINGS)
    print_row(["---"] * 2 + ["---:"] * (len(HEADINGS) - 2))


def complaints(attack, row, worst=math.inf):
    """What is wrong with a row; `worst`: milliseconds within which the status must be answered,
    which only holds on a machine that does nothing else. It must be answered anyway."""
    found = []
    kind = "ended" if row.outcome.ended else "absorbed"
    if kind not in attack.outcomes:
        found.append(f"{kind}: {row.outcome.text}")
    if attack.code and attack.code not in row.outcome.text:
        found.append(f"{row.outcome.text} instead of {attack.code}")
    if row.growth > attack.growth:
        found.append(f"memory grew by {row.growth / MIB:.1f} MiB")
    if row.failures or row.worst > worst:
        found.append(f"status: {row.failures} failures, {row.worst:.0f} ms at worst")
    if row.descriptors_after > 0:
        found.append(f"{row.descriptors_after} descriptors are left")
    return found
