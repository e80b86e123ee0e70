"""Directories that outlive the service, and the services started on them one after the other."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from harness import BINARY, PATIENCE, Service, eventually


# What the tests write at most, twice; containers often have 64 MiB.
ROOM = 512 << 20


class Home:
    """A data and a runtime directory. `start` runs the service on them; `kill` is `kill -9`."""

    def __init__(self, *arguments, data=None, runtime=None):
        # In memory, if there is enough: most of these tests end the process, not the machine.
        has_room = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > ROOM
        place = "/dev/shm" if has_room else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="polyak-home-", dir=place))
        self.data = pathlib.Path(data or self.folder / "data")
        self.runtime = pathlib.Path(runtime or self.folder / "runtime")
        self.arguments = arguments
        self.service = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.service:
            self.kill()
        shutil.rmtree(self.folder)

    def start(self, *arguments, environment=None, wrapper=()):
        assert self.service is None
        self.service = Service(*self.arguments, *arguments, data=self.data, runtime=self.runtime,
                               environment=environment, wrapper=wrapper)
        return self.service

    def kill(self):
        """SIGKILL; the lines that the service had logged."""
        self.service.process.kill()
        return self.collect()

    def collect(self):
        """Clears up after a service that ends by itself; its log."""
        service, self.service = self.service, None
        service.process.wait(PATIENCE)
        service.discard()
        return service.lines

    def stop(self):
        """SIGTERM, which must end the service with status 0; its log."""
        self.service.process.send_signal(signal.SIGTERM)
        service = self.service
        lines = self.collect()
        assert service.process.returncode == 0, "".join(lines[-20:])
        return lines

    def lose_runtime(self):
        """What a new machine has: the data directory only."""
        shutil.rmtree(self.runtime, ignore_errors=True)

    def client(self):
        return self.service.client()

    def state(self, name):
        with self.client() as client:
            answer = client.get(f"/v1/sessions/{name}")
            assert answer.status == 200, answer
            return answer.json()

    def verify(self):
        """What `polyak verify` says: its exit status and its report."""
        done = subprocess.run([BINARY, "verify", self.data, "--json"], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        return done.returncode, json.loads(done.stdout)

    def files(self):
        """Every file of the data directory with its bytes, by its path in it."""
        return {path.relative_to(self.data): path.read_bytes()
                for path in sorted(self.data.rglob("*")) if path.is_file()}

    def put_back(self, files):
        """Makes the data directory what `files` says."""
        shutil.rmtree(self.data)
        for path, content in files.items():
            (self.data / path).parent.mkdir(parents=True, exist_ok=True)
            (self.data / path).write_bytes(content)

    def wait_for_files(self, count):
        """Waits until the durable copy of the only session has as many files as that: its record,
        and each that the record names. A file is there before its record is."""
        def is_there():
            report = self.verify()[1]
            return [each["files"] for each in report["sessions"]] == [count]

        eventually(is_there, "no checkpoint")

    def session_folder(self, name, *, of="data"):
        """The directory of a session that is there once."""
        root = self.data / "sessions" if of == "data" else next(self.runtime.glob("*-*"))
        folder, = root.glob(f"{name}@*")
        return folder


def disk_bytes(folder):
    """Bytes that the files of a folder take."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_blocks * 512
    return total
