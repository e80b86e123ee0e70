"""Many lawful clients at once: `load.py [--short]` prints what they cost and what others notice."""

import argparse
import contextlib
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import numpy as np  # noqa: E402

import siege  # noqa: E402
from attack import MIB  # noqa: E402
from crowd import Crowd, quit_at_once  # noqa: E402
from harness import Service, eventually, upload_bytes  # noqa: E402
from http1_crowds import upload  # noqa: E402
from models import encode, tensor  # noqa: E402
from repeated import Repeated  # noqa: E402
from watch import FOLDER, Probe, Watch  # noqa: E402

IDLE_BYTES = {"1": 4096, "2": 16384}
"""What an idle connection may cost over each version of HTTP."""
UNIFORM = {"rule": {"name": "uniform"}}


class Holder:
    """Idle connections in another process; `with` it."""

    def __init__(self, version, port, count):
        self.command = [sys.executable, FOLDER / "holder.py", version, str(port), str(count)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        self.count = int(line[1]) if line else 0
        return self

    def __exit__(self, *_):
        self.process.communicate()


@contextlib.contextmanager
def silent(port, count):
    """Connections that say nothing, whether the service takes them or not."""
    made = [socket.socket() for _ in range(count)]
    try:
        for each in made:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        yield
    finally:
        for each in made:
            quit_at_once(each)


def idle(service, version, count, seconds):
    """Bytes for each of `count` idle connections, and milliseconds of a status request: p99, worst.
    """
    with Holder(version, service.port, 50):
        pass
    before = service.memory()
    with Holder(version, service.port, count) as holder:
        assert holder.count == count, f"{holder.count} of {count} were answered"
        each = (service.memory() - before) / count
        with Probe(service.port) as probe:
            threading.Event().wait(seconds)
    assert probe.failures == 0, probe.failures
    return each, probe.p99, probe.worst


def out_of_descriptors(start_service, seconds):
    """Processor seconds a second that a service uses which has no descriptors left."""
    # Each event loop needs descriptors itself.
    service = start_service("--lanes", "2", wrapper=("prlimit", "--nofile=80:80"))
    with service.client() as early:
        assert early.get("/livez").status == 200
        with silent(service.port, 300):
            eventually(lambda: service.descriptors() >= 79, "descriptors are left")
            with Watch(service) as watch:
                began = time.monotonic()
                threading.Event().wait(seconds)
                took = time.monotonic() - began
                assert early.get("/livez").status == 200
        with service.client() as late:
            assert late.get("/livez").status == 200
    return watch.processor / took


def slow_uploads(service, count, seconds):
    """Milliseconds of a status request, p99 and worst, beside uploads of 10 kB a second each."""
    sessions = 20
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(service.client())
        made = [client.session(UNIFORM, f"slow{number}") for number in range(sessions)]
        crowd = Crowd(service.port, count, lambda n: upload(made[n % sessions].path),
                      bytes(1000), 0.1, None, None)
        with Probe(service.port) as probe:
            outcome = crowd.run(seconds)
        for session in made:
            client.request("DELETE", session.path)
    assert probe.failures == 0, probe.failures
    return probe.p99, probe.worst, outcome


def large_uploads(service, count, size):
    """The statuses of `count` uploads of `size` bytes at once to four sessions, and the bytes of
    memory beyond the sessions' own files."""
    body = encode({"w": tensor(np.zeros(size // 4, np.float32))})
    statuses, most = [], 0

    def send(session):
        with service.raw() as raw:
            raw.socket.settimeout(300)
            raw.send(upload_bytes(session.path, body[:1000], length=len(body)))
            with contextlib.suppress(OSError):
                raw.send(memoryview(body)[1000:])
            statuses.append(raw.answer().status)

    def look():
        nonlocal most
        most = max(most, service.memory() - service.runtime_bytes())

    with service.client() as client:
        made = [client.session(UNIFORM, f"large{number}") for number in range(4)]
        before = service.memory() - service.runtime_bytes()
        threads = [threading.Thread(target=send, args=(made[number % 4],))
                   for number in range(count)]
        with Repeated(look, seconds=0.2):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        folded = sum(session.state()["revision"] for session in made)
        for session in made:
            client.request("DELETE", session.path)
    assert folded == statuses.count(200), f"{folded} folded, answers {statuses}"
    return statuses, most - before


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    services = []

    def start(*arguments, **options):
        services.append(Service(*arguments, **options, patient=False))
        return services[-1]

    service = start()
    siege.print_row(("load", "memory", "p99 ms", "worst ms", "remark"))
    siege.print_row(["---"] * 5)
    for version in ("1", "2"):
        each, p99, worst = idle(service, version, 10_000, options.seconds)
        siege.print_row((f"10,000 idle connections, HTTP/{version}", f"{each:,.0f} B each",
                         f"{p99:.1f}", f"{worst:.1f}", ""))
    p99, worst, outcome = slow_uploads(service, 1000, options.seconds)
    siege.print_row(("1,000 slow uploads", "", f"{p99:.1f}", f"{worst:.1f}", outcome.text))
    busy = out_of_descriptors(start, 5)
    siege.print_row(("no descriptors left", "", "", "", f"{busy:.2f} processors"))
    statuses, most = large_uploads(service, 64, 200_000_000)
    siege.print_row(("64 uploads of 200 MB", f"{most / MIB:.0f} MiB beyond the sessions", "", "",
                     ", ".join(f"{statuses.count(each)} × {each}" for each in set(statuses))))
    for each in services:
        each.stop()


if __name__ == "__main__":
    main()
