"""Bytes that are wrong, versions that are newer, a second process, modes and names.

POLYAK_FLIP_STRIDE (default 41): every byte is flipped under `polyak verify`; every so many-th one
under a service that starts without its runtime directory.
"""

import contextlib
import json
import os
import struct
import subprocess
import threading

import numpy as np
import pytest

from harness import BINARY, PATIENCE, Session, eventually
from home import Home
from models import tensor

STRIDE = int(os.environ.get("POLYAK_FLIP_STRIDE", 41))
UNIFORM = {"rule": {"name": "uniform"}}
DISK = {**UNIFORM, "durability": "disk"}
NEVER = ("--checkpoint-interval", "24h")
MODEL = {"w": tensor(np.array([1.5, -2.0, 3.25]), "F32")}


def crc32c(data):
    """RFC 3720's checksum, bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def populate(home, *names, settings=None):
    """Sessions with a model and cached weights, durable; what the service answers of each."""
    home.start(*NEVER)
    answers = {}
    with home.client() as client:
        for name in names:
            session = Session(client, settings or DISK, name)
            session.fold(MODEL, step=1)
            assert client.request("PUT", f"{session.path}/cached", b"kept").status == 201
            answers[name] = look(client, session.path)
    home.stop()
    return answers


def look(client, path):
    return [client.get(path + what).body for what in ("/averages/main", "/cached")]


def flipped(content, index):
    return content[:index] + bytes([content[index] ^ 1 << index % 8]) + content[index + 1:]


def test_verify_finds_every_flipped_byte_that_recovery_reads():
    """One run of `verify` for all bytes of a session: as many copies, each wrong in one byte."""
    with Home(*NEVER) as home:
        populate(home, "one")
        folder, sessions = home.session_folder("one"), home.data / "sessions"
        content = {file.name: file.read_bytes() for file in folder.iterdir()}
        expected = {}
        for name, whole in content.items():
            for index in range(len(whole)):
                copy = sessions / f"one@{len(expected):016x}"
                copy.mkdir()
                for other in content:
                    (copy / other).write_bytes(
                        flipped(whole, index) if other == name else content[other])
                expected[f"sessions/{copy.name}"] = f"{copy / name}: "
        status, report = home.verify()
        assert status == 1
        found = {each["directory"]: each["problems"] for each in report["sessions"]}
        assert found.pop(str(folder.relative_to(home.data))) == []
        assert found.keys() == expected.keys()
        for directory, problems in found.items():
            assert any(each.startswith(expected[directory]) for each in problems), problems
        print(f"{len(expected)} bytes of a session flipped")


def test_verify_finds_every_flipped_byte_of_the_directory_itself():
    with Home(*NEVER) as home:
        populate(home, "one")
        for name in ("id", "stopped-cleanly"):
            file = home.data / name
            content = file.read_bytes()
            for index in range(0, len(content), 1 + STRIDE // 8):
                file.write_bytes(flipped(content, index))
                status, report = home.verify()
                assert status == 1 and report["problems"][0].startswith(f"{file}: "), report
            file.write_bytes(content)
        assert home.verify()[0] == 0


def test_a_damaged_session_is_named_and_refused_while_the_others_start():
    with Home(*NEVER) as home:
        answers = populate(home, "broken", "good")
        whole = home.files()
        folder = home.session_folder("broken")
        tried = 0
        for file in sorted(folder.iterdir()):
            if file.relative_to(home.data) not in whole:
                continue
            content = whole[file.relative_to(home.data)]
            for index in range(len(file.name) % STRIDE, len(content), STRIDE):
                home.put_back(whole)
                file.write_bytes(flipped(content, index))
                home.lose_runtime()
                home.start()
                with home.client() as client:
                    said = client.get("/v1/sessions/broken").problem(503, "session-damaged")
                    assert str(file) in said["detail"], said
                    assert look(client, "/v1/sessions/good") == answers["good"]
                lines = home.kill()
                assert any(" error " in line and str(file) in line for line in lines), lines
                tried += 1
        print(f"{tried} bytes flipped")
        assert tried > 2
        home.start()
        with home.client() as client:
            client.request("PUT", "/v1/sessions/broken", DISK).problem(503, "session-damaged")
            assert client.request("DELETE", "/v1/sessions/broken").status == 204
            client.get("/v1/sessions/broken").problem(404, "session-not-found")
            Session(client, DISK, "broken").fold(MODEL)
        home.stop()
        assert home.verify()[0] == 0


def test_a_file_that_is_missing_or_cut_short_or_too_long_is_damage():
    with Home(*NEVER) as home:
        populate(home, "one")
        whole = home.files()
        for file in sorted(home.session_folder("one").iterdir()):
            content = file.read_bytes()
            for wrong in (content[:-1], content + b"\0", b"", None):
                if file.name == "record" and wrong is None:
                    continue
                home.put_back(whole)
                file.unlink() if wrong is None else file.write_bytes(wrong)
                home.lose_runtime()
                status, report = home.verify()
                assert status == 1 and str(file) in report["sessions"][0]["problems"][0], report
                home.start()
                with home.client() as client:
                    client.get("/v1/sessions/one").problem(503, "session-damaged")
                home.kill()


def test_a_flipped_bit_of_the_identity_stops_the_start_with_its_name():
    with Home(*NEVER) as home:
        populate(home, "one")
        identity = home.data / "id"
        content = identity.read_bytes()
        identity.write_bytes(flipped(content, 40))
        with pytest.raises(AssertionError, match=f"cannot start: {identity}: is damaged"):
            home.start()
        home.service = None
        identity.write_bytes(content)
        home.start()
        home.state("one")


@pytest.mark.parametrize("name", ["record", "id", "journal"])
def test_a_newer_version_is_refused_and_stays_untouched(name):
    with Home(*NEVER) as home:
        populate(home, "one", "two", settings=DISK if name != "journal" else UNIFORM)
        if name == "id":
            file = home.data / "id"
            lines = file.read_bytes().replace(b"version 1", b"version 2").splitlines(True)
            covered = b"".join(lines[:-1])
            file.write_bytes(covered + b"crc32c %08x\n" % crc32c(covered))
        else:
            of = "runtime" if name == "journal" else "data"
            file = home.session_folder("one", of=of) / name
            content = file.read_bytes()
            head = content[:8] + struct.pack("<I", 2)
            file.write_bytes(head + struct.pack("<I", crc32c(head)) + content[16:])
        before = file.read_bytes()
        if name == "id":
            with pytest.raises(AssertionError, match="has version 2, and this release knows 1"):
                home.start()
            home.service = None
        else:
            home.start("--checkpoint-interval", "10ms")
            with home.client() as client:
                said = client.get("/v1/sessions/one").problem(503, "session-damaged")
                assert "has version 2" in said["detail"], said
                Session(client, UNIFORM, "three")
                eventually(lambda: home.state("three")["durable_revision"] == 0, "no checkpoint")
                assert client.get("/v1/sessions/two").status == 200
            home.stop()
        assert file.read_bytes() == before
        if name != "journal":
            status, report = home.verify()
            assert status == 1 and "has version 2" in json.dumps(report)


def test_verify_beside_a_running_service_reports_it_and_disturbs_nothing():
    with Home("--checkpoint-interval", "10ms") as home:
        home.start()
        begun, stop = threading.Event(), threading.Event()

        def train():
            with home.client() as client:
                session = Session(client, DISK, "run")
                while not stop.is_set():
                    session.fold(MODEL)
                    begun.set()

        trainer = threading.Thread(target=train)
        trainer.start()
        assert begun.wait(PATIENCE)
        revisions, count = set(), 0

        def look():
            nonlocal count
            status, report = home.verify()
            assert status == 0 and report["is_in_use"], report
            revisions.update(each["record"]["revision"] for each in report["sessions"])
            count += 1
            return count >= 15 and len(revisions) > 3

        eventually(look, "the trainer stands still")
        stop.set()
        trainer.join()
        state = home.state("run")
        home.stop()
        status, report = home.verify()
        assert status == 0 and not report["is_in_use"]
        session, = report["sessions"]
        assert session["session"] == "run" and session["problems"] == []
        assert session["record"]["revision"] == state["revision"]
        assert session["record"]["incarnation"] == state["incarnation"]
        average, = session["record"]["averages"]
        assert average["average_counter"] == state["averages"]["main"]["average_counter"]
        assert session["files"] == 2 and session["bytes"] > average["bytes"] > 0
        text = subprocess.run([BINARY, "verify", home.data], capture_output=True, text=True,
                              check=True, timeout=PATIENCE).stdout
        assert f"revision {state['revision']}, incarnation {state['incarnation']}" in text


def test_verify_of_what_is_no_data_directory_fails(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        done = subprocess.run([BINARY, "verify", directory], capture_output=True, text=True,
                              check=False, timeout=PATIENCE)
        assert done.returncode == 1 and "does not exist" in done.stdout + done.stderr, done
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_on_either_directory_is_refused():
    with Home(*NEVER) as home:
        service = home.start()
        for shared in ("data", "runtime"):
            with Home(*NEVER, **{shared: getattr(home, shared)}) as other:
                with pytest.raises(AssertionError) as refused:
                    other.start()
                other.service = None
                assert f"cannot start: {getattr(home, shared)}: is in use by process " \
                       f"{service.process.pid}" in str(refused.value), refused.value
                assert "crash" not in str(refused.value)
        home.stop()


def test_files_are_for_this_user_alone():
    with Home("--checkpoint-interval", "10ms") as home:
        home.start(wrapper=["sh", "-c", 'umask 0; exec "$@"', "sh"])
        with home.client() as client:
            session = Session(client, UNIFORM, "run")
            session.fold(MODEL)
            client.request("PUT", f"{session.path}/cached", b"kept")
            home.wait_for_files(3)
            # The two directories themselves are the operator's, who may have made them.
            for root in (home.data, home.runtime):
                for path in root.rglob("*"):
                    wanted = 0o700 if path.is_dir() else 0o600
                    # What the checkpoint replaced may go at this moment.
                    with contextlib.suppress(FileNotFoundError):
                        assert path.stat().st_mode & 0o777 == wanted, path


def test_session_names_cannot_leave_the_directory():
    with Home(*NEVER) as home:
        home.start()
        before = sorted(home.folder.rglob("*"))
        with home.client() as client:
            for name in ("..", "%2e%2e", "%2e%2e%2fescape", "..%2Fescape", "a%2Fb", ".hidden",
                         "a%00b", "%2Fetc", "a@b", "x" * 129):
                answer = client.request("PUT", f"/v1/sessions/{name}", DISK)
                assert 400 <= answer.status < 500, (name, answer)
                assert 400 <= client.request("DELETE", f"/v1/sessions/{name}").status < 500
            assert sorted(home.folder.rglob("*")) == before
            longest = "x" * 128
            settings = {"averages": {longest: UNIFORM}, "durability": "disk"}
            Session(client, settings, longest).fold(MODEL)
        home.kill()
        home.lose_runtime()
        home.start()
        home.state(longest)


def test_a_planted_link_is_not_followed():
    with Home(*NEVER) as home:
        populate(home, "real")
        folder = home.session_folder("real")
        target = home.folder / "elsewhere"
        folder.rename(target)
        folder.symlink_to(target)
        (home.data / "sessions" / "other@0000000000000000").symlink_to(home.folder)
        content = {path: path.read_bytes() for path in target.iterdir()}
        home.lose_runtime()
        home.start()
        with home.client() as client:
            client.get("/v1/sessions/real").problem(503, "session-damaged")
            client.request("DELETE", "/v1/sessions/real")
        home.kill()
        assert {path: path.read_bytes() for path in target.iterdir()} == content
