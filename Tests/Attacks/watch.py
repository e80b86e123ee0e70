"""What an attack does to the service: answers beside it, memory, descriptors, processor time."""

import json
import os
import pathlib
import subprocess
import sys

from repeated import Repeated

FOLDER = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


class Probe:
    """A client in another process that asks for the status; `with` it, then read the figures."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, FOLDER / "probe.py", str(self.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        output, _ = self.process.communicate()
        found = json.loads(output)
        self.failures = found["failures"]
        self.milliseconds = sorted(1000 * each for each in found["seconds"])

    @property
    def worst(self):
        return self.milliseconds[-1]

    @property
    def p99(self):
        return self.milliseconds[int(0.99 * (len(self.milliseconds) - 1))]


class Watch(Repeated):
    """Looks at a service's process while something happens to it."""

    def __init__(self, service):
        super().__init__(self._look, seconds=0.2)
        self.service = service
        self.memory_before = self.most_memory = service.memory(slots=False)
        self.descriptors_before = self.most_descriptors = service.descriptors()
        self.processor_before = self._processor()

    def __exit__(self, *_):
        super().__exit__()
        self.processor = self._processor() - self.processor_before

    def _look(self):
        self.most_memory = max(self.most_memory, self.service.memory(slots=False))
        self.most_descriptors = max(self.most_descriptors, self.service.descriptors())

    def _processor(self):
        """Seconds of processor time that the service has used."""
        text = pathlib.Path(f"/proc/{self.service.process.pid}/stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICK

    @property
    def growth(self):
        return self.most_memory - self.memory_before

    @property
    def growth_after(self):
        return self.service.memory(slots=False) - self.memory_before

    @property
    def descriptors_after(self):
        return self.service.descriptors() - self.descriptors_before
