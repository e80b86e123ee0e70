"""Full file systems: refused with 507, nothing half-written, and well again once there is room.

They are small tmpfs mounts, so these tests need the right to mount.
"""

import contextlib
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

import numpy as np
import pytest

from disk import Disk, unmount
from harness import PATIENCE, Session, eventually, upload_to
from home import Home, disk_bytes
from mirror import LOST
from models import assert_same, encode, tensor

MIB = 1 << 20
UNIFORM = {"rule": {"name": "uniform"}}
DISK = {**UNIFORM, "durability": "disk"}
NEVER = ("--checkpoint-interval", "24h")


def model(mebibytes, value):
    return {"w": tensor(np.full(int(mebibytes * MIB) // 4, value), "F32")}


@contextlib.contextmanager
def small(mebibytes):
    """A file system of this size; skips the test where mounting is not permitted."""
    with tempfile.TemporaryDirectory(prefix="polyak-small-") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "none", folder],
            capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(f"mounting is not permitted: {mounted.stderr.strip()}")
        try:
            yield pathlib.Path(folder)
        finally:
            unmount(folder)


def wait_for_checkpoint(home, name):
    eventually(lambda: home.state(name)["durable_revision"] == home.state(name)["revision"],
               "no checkpoint")


@contextlib.contextmanager
def filled(folder):
    """No block is free inside."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024 * 1024))
            file.flush()
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    try:
        yield
    finally:
        ballast.unlink()


def test_a_full_runtime_directory_refuses_what_does_not_fit_and_nothing_else():
    with small(24) as folder, Home(*NEVER, runtime=folder) as home:
        service = home.start()
        with home.client() as client:
            fits = Session(client, UNIFORM, "fits")
            fits.fold(model(3, 1))
            fits.fold(model(3, 3))
            large = Session(client, UNIFORM, "large")
            for _ in range(3):
                large.upload(model(20, 1)).problem(507, "insufficient-storage")
                assert large.state()["revision"] == 0
            keep = client.request("PUT", f"{fits.path}/cached", bytes(20 * MIB))
            keep.problem(507, "insufficient-storage")
            client.get(f"{fits.path}/cached").problem(404, "not-found")
            # What was refused holds no room: the other session goes on, and so do new ones.
            fits.fold(model(3, 5))
            assert_same(fits.average().model(), model(3, 3))
            with Session(client, UNIFORM) as another:
                another.fold(model(3, 2))
            assert client.request("DELETE", fits.path).status == 204
            eventually(lambda: disk_bytes(folder) < MIB, "DELETE frees nothing")
            # Without a restart, now that there is room.
            large.fold(model(9, 7))
            large.fold(model(9, 9))
            assert_same(large.average().model(), model(9, 8))
        assert service.process.poll() is None
        home.stop()
        home.start()
        with home.client() as client:
            assert_same(client.get(f"{large.path}/averages/main").model(), model(9, 8))


def test_nothing_is_lost_or_half_written_when_no_byte_is_left_in_memory():
    with small(16) as folder, Home(*NEVER, runtime=folder) as home:
        service = home.start()
        with home.client() as client:
            session = Session(client, UNIFORM, "run")
            session.fold(model(1, 1))
            session.fold(model(1, 3))
            folded = [1, 3]
            with filled(folder):
                # The spare slot is there, and the journal has the rest of its last page.
                for number in range(200):
                    answer = session.upload(model(1, number))
                    if answer.status != 200:
                        break
                    folded.append(number)
                answer.problem(507, "insufficient-storage")
                session.report(1.0, 1).problem(507, "insufficient-storage")
                client.request("PUT", "/v1/sessions/new", UNIFORM).problem(
                    507, "insufficient-storage")
                assert session.state()["revision"] == len(folded)
                assert client.get(f"{session.path}/averages/main").status == 200
            session.fold(model(1, 4))
            folded.append(4)
            before = session.average().body
            assert session.state()["averages"]["main"]["average_counter"] == len(folded)
        assert service.process.poll() is None
        home.kill()
        home.start()
        with home.client() as client:
            assert client.get(f"{session.path}/averages/main").body == before
            assert client.get("/v1/sessions/new").status == 404


@contextlib.contextmanager
def on_ext4():
    with Disk("ext4") as disk:
        yield disk.point / "data"


@pytest.mark.parametrize("place", [lambda: small(24), on_ext4], ids=["tmpfs", "ext4"])
def test_a_full_data_directory_refuses_disk_sessions_and_not_the_others(place):
    with place() as folder, Home("--checkpoint-interval", "50ms", data=folder) as home:
        home.start()
        with home.client() as client:
            disk, process = Session(client, DISK, "disk"), Session(client, UNIFORM, "process")
            disk.fold(model(1, 1))
            process.fold(model(1, 1))
            deleted = Session(client, DISK, "deleted")
            deleted.fold(model(1, 1))
            # A checkpoint that fails half way makes room.
            wait_for_checkpoint(home, "process")
            with filled(folder):
                large = Session(client, UNIFORM, "large")
                large.fold(model(2, 5))
                disk.upload(model(1, 3)).problem(507, "insufficient-storage")
                client.request("PUT", f"{disk.path}/cached", b"new").problem(
                    507, "insufficient-storage")
                assert disk.state()["revision"] == disk.state()["durable_revision"] == 1
                assert_same(disk.average().model(), model(1, 1))
                client.request("PUT", "/v1/sessions/new", DISK).problem(
                    507, "insufficient-storage")
                process.fold(model(1, 3))
                # DELETE needs no room, and makes some.
                assert client.request("DELETE", deleted.path).status == 204
            disk.fold(model(1, 3))
            assert_same(disk.average().model(), model(1, 2))
            wait_for_checkpoint(home, "large")
        home.kill()
        home.lose_runtime()
        home.start()
        with home.client() as client:
            assert_same(client.get("/v1/sessions/disk/averages/main").model(), model(1, 2))
            assert_same(client.get("/v1/sessions/large/averages/main").model(), model(2, 5))
            client.get("/v1/sessions/deleted").problem(404, "session-not-found")
            client.get("/v1/sessions/new").problem(404, "session-not-found")


def test_a_runtime_directory_too_small_for_what_was_kept_names_it_and_loses_nothing():
    with small(24) as data, Home(*NEVER, data=data) as home:
        home.start()
        with home.client() as client:
            for name, size in (("small", 1), ("large", 6)):
                Session(client, DISK, name).fold(model(size, 2))
        home.stop()
        home.lose_runtime()
        with small(4) as runtime:
            home.runtime, usual = runtime, home.runtime
            home.start()
            with home.client() as client:
                said = client.get("/v1/sessions/large").problem(503, "session-damaged")
                assert "No space left on device" in said["detail"], said
                small_path = "/v1/sessions/small/averages/main"
                assert_same(client.get(small_path).model(), model(1, 2))
                assert disk_bytes(runtime) < 3 * MIB, "the session that did not fit holds memory"
            home.stop()
            home.runtime = usual
        home.start()
        with home.client() as client:
            assert_same(client.get("/v1/sessions/large/averages/main").model(), model(6, 2))


def test_disk_use_is_bounded_and_freed():
    with Home("--checkpoint-interval", "10ms") as home:
        home.start()
        with home.client() as client:
            empty = disk_bytes(home.data)
            sessions = [Session(client, each, name)
                        for each, name in ((UNIFORM, "process"), (DISK, "disk"))]
            for number in range(60):
                for session in sessions:
                    session.fold(model(0.5, number), step=number)
                    client.request("PUT", f"{session.path}/cached", bytes(100_000))
                # Two files for each average, at most two for cached weights, and the record.
                assert disk_bytes(home.data) < 2 * (2 * MIB // 2 + 4 * 100_000 + 200_000)
            for session in sessions:
                assert client.request("DELETE", session.path).status == 204
            eventually(lambda: disk_bytes(home.data) <= empty, "DELETE frees nothing")
            assert list((home.data / "sessions").iterdir()) == []
        home.stop()


def test_sigterm_under_load_ends_in_time_and_loses_nothing_acknowledged():
    with Home(*NEVER) as home:
        service = home.start("--shutdown-grace", "3s")
        counts = {}

        def train(name, settings):
            with home.client() as client:
                session = Session(client, settings, name)
                counts[name] = 0
                with contextlib.suppress(*LOST):
                    while True:
                        answer = session.upload(model(4, counts[name]))
                        if answer.status != 200:
                            answer.problem(503, "shutting-down")
                            return
                        counts[name] += 1

        trainers = [threading.Thread(target=train, args=(f"run{number}", settings))
                    for number, settings in enumerate((UNIFORM, DISK) * 2)]
        for trainer in trainers:
            trainer.start()
        eventually(lambda: len(counts) == 4 and min(counts.values()) > 1, "nothing was folded")
        # One that never ends must not keep the service.
        stuck = service.wire()
        stuck.open(upload_to("/v1/sessions/run0", b"", "Expect: 100-continue",
                             length=len(encode(model(4, 0)))))
        assert stuck.head()[0] == 100
        service.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert service.process.wait(PATIENCE) == 0
        print(f"ended {time.monotonic() - began:.1f} s after SIGTERM")
        for trainer in trainers:
            trainer.join(PATIENCE)
            assert not trainer.is_alive()
        home.collect()
        home.lose_runtime()
        home.start()
        for name, count in counts.items():
            found = home.state(name)["averages"]["main"]["average_counter"]
            # The one whose answer was lost may have been taken.
            assert count > 0 and found in (count, count + 1), (name, count, found)
