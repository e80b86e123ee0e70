"""What is left when the machine is lost, and what a clean stop leaves behind."""

import subprocess

import numpy as np
import pytest

import oracle
from harness import SAFETENSORS, Request, Session, eventually
from home import Home
from models import assert_same, encode, tensor

UNIFORM = {"rule": {"name": "uniform"}}
PAIR = {"averages": {"main": UNIFORM, "fast": {"rule": {"name": "ema", "decay": 0.5}}}}
DISK = {"durability": "disk"}
SOON, NEVER = ("--checkpoint-interval", "20ms"), ("--checkpoint-interval", "24h")


def model(number):
    random = np.random.default_rng(number)
    return {"w": tensor(random.standard_normal(500), "F32"), "n": tensor(np.array([number]))}


def ideal(settings, numbers):
    session = oracle.Session(settings)
    for number in numbers:
        session.apply(model(number))
    return session


def check(client, path, settings, numbers):
    for name, average in ideal(settings, numbers).averages.items():
        answer = client.get(f"{path}/averages/{name}")
        if average.count:
            assert_same(answer.model(), average.model)
            assert answer["Polyak-Average-Counter"] == str(average.count)
        else:
            answer.problem(404, "averaging-not-started")


def fold(session, numbers, **query):
    for number in numbers:
        session.fold(model(number), step=number, **query)


def keep(client, path, content, trainer="default"):
    answer = client.request("PUT", f"{path}/cached?trainer={trainer}", content)
    assert answer.status in (200, 201), answer


def cached(client, path, trainer="default"):
    answer = client.get(f"{path}/cached?trainer={trainer}")
    return answer.body if answer.status == 200 else None


def wait_for_checkpoint(home, name):
    eventually(lambda: home.state(name)["durable_revision"] == home.state(name)["revision"],
               "no checkpoint was written")


def test_a_lost_machine_leaves_a_process_session_at_its_last_checkpoint():
    with Home() as home:
        home.start(*SOON)
        with home.client() as client:
            session = Session(client, PAIR, "run")
            fold(session, [1, 2, 3])
            session.upload(model(9), {"Idempotency-Key": "nine"})
            session.report(3.5, 1)
            keep(client, session.path, b"kept")
            wait_for_checkpoint(home, "run")
            before = session.state()
            # A checkpoint of the cached weights changes no revision.
            home.wait_for_files(4)
        home.kill()
        home.start(*NEVER)
        with home.client() as client:
            fold(Again(client, session), [4, 5])
        home.kill()
        home.lose_runtime()
        home.start(*NEVER)
        with home.client() as client:
            after = home.state("run")
            assert after["revision"] == after["durable_revision"] == before["revision"]
            assert after["incarnation"] != before["incarnation"]
            assert after["recovered"] == {"to": before["revision"], "from": None}
            for what in ("averages", "last_step", "layout", "reports", "history"):
                assert after[what] == before[what], what
            check(client, session.path, PAIR, [1, 2, 3, 9])
            assert cached(client, session.path) == b"kept"
            again = Again(client, session)
            assert again.fold(model(3), step=3)["duplicate"] is True
            answer = again.upload(model(9), {"Idempotency-Key": "nine"})
            assert answer.json()["revision"] == 4
            # What was lost can be sent again, and is folded once.
            fold(again, [4, 5])
            check(client, session.path, PAIR, [1, 2, 3, 9, 4, 5])
        home.stop()


class Again(Session):
    """A session that exists already, over another connection."""

    def __init__(self, client, session):
        self.client, self.settings = client, session.settings
        self.name, self.path = session.name, session.path


def test_a_lost_machine_takes_nothing_acknowledged_from_a_disk_session():
    with Home(*NEVER) as home:
        numbers, incarnation = [], None
        for start in range(4):
            home.start()
            with home.client() as client:
                if start == 0:
                    session = Session(client, {**PAIR, **DISK}, "run")
                    incarnation = session.state()["incarnation"]
                again = Again(client, session)
                check(client, session.path, PAIR, numbers)
                state = again.state()
                assert state["incarnation"] == incarnation and "recovered" not in state
                assert state["durable_revision"] == state["revision"] == len(numbers) + start
                assert cached(client, session.path) == (b"kept %d" % start if start else None)
                more = [len(numbers) + 1, len(numbers) + 2]
                fold(again, more)
                numbers += more
                assert again.report(1.0, start).status == 200
                keep(client, session.path, b"kept %d" % (start + 1))
            home.kill()
            home.lose_runtime()


def test_cached_weights_stored_after_a_restart_are_not_taken_for_older_ones():
    with Home() as home:
        home.start(*SOON)
        with home.client() as client:
            session = Session(client, UNIFORM, "run")
            keep(client, session.path, b"old")
            home.wait_for_files(2)
        home.kill()
        home.start(*NEVER)
        with home.client() as client:
            assert client.request("DELETE", f"{session.path}/cached").status == 204
        home.kill()
        home.start(*NEVER)
        with home.client() as client:
            keep(client, session.path, b"new")
        home.stop()
        home.lose_runtime()
        home.start()
        with home.client() as client:
            assert cached(client, session.path) == b"new"


def test_a_clean_stop_loses_nothing_and_keeps_the_incarnation():
    with Home(*NEVER) as home:
        home.start()
        with home.client() as client:
            sessions = [Session(client, {**PAIR, **extra}, name)
                        for name, extra in (("process", {}), ("disk", DISK), ("untouched", {}))]
            for session in sessions[:2]:
                fold(session, [1, 2, 3])
                keep(client, session.path, b"kept")
            before = [session.state() for session in sessions]
        home.stop()
        home.lose_runtime()
        home.start()
        with home.client() as client:
            for session, old in zip(sessions, before):
                new = Again(client, session).state()
                assert "recovered" not in new
                for what in set(old) - {"durable_revision", "bytes_held"}:
                    assert new[what] == old[what], what
            for session in sessions[:2]:
                check(client, session.path, PAIR, [1, 2, 3])
                assert cached(client, session.path) == b"kept"
        home.kill()


def test_the_mark_of_a_clean_stop_holds_until_something_changes():
    with Home(*NEVER) as home:
        home.start()
        with home.client() as client:
            session = Session(client, UNIFORM, "run")
            fold(session, [1])
            incarnation = session.state()["incarnation"]
        home.stop()
        home.lose_runtime()
        home.start()
        with home.client() as client:
            fold(Again(client, session), [2])
        home.kill()
        home.lose_runtime()
        home.start()
        state = home.state("run")
        assert state["incarnation"] != incarnation
        assert state["recovered"] == {"to": 1, "from": None}
        home.kill()
        # It was itself the state of a clean stop no more: nothing brings the mark back.
        home.lose_runtime()
        home.start()
        assert home.state("run")["incarnation"] != state["incarnation"]


def test_a_deleted_session_stays_deleted():
    for lose in (False, True):
        with Home(*SOON) as home:
            home.start()
            with home.client() as client:
                for extra in ({}, DISK):
                    with Session(client, {**UNIFORM, **extra}) as session:
                        fold(session, [1])
                        wait_for_checkpoint(home, session.name)
                assert client.get("/v1/sessions").json()["sessions"] == []
            home.kill()
            if lose:
                home.lose_runtime()
            home.start()
            with home.client() as client:
                assert client.get("/v1/sessions").json()["sessions"] == []


def test_a_disk_session_whose_client_vanishes_before_the_answer_has_one_state():
    with Home(*NEVER) as home:
        service = home.start()
        taken = {}
        with home.client() as client:
            session = Session(client, {**UNIFORM, **DISK}, "run")
            for number in range(1, 30):
                path = f"{session.path}/parameters?trainer=gone&step={number}"
                body = encode(model(number))
                with service.wire() as wire:
                    wire.open(Request("POST", path, body, f"Content-Type: {SAFETENSORS}"))
                    # So that each goes at another moment of its upload.
                    for _ in range(number % 6):
                        client.get("/livez")
                    wire.reset()
                taken[session.fold(model(100 + number), step=number)["revision"]] = 100 + number
                answer = client.request("POST", path, body, {"Content-Type": SAFETENSORS})
                while answer.status == 409:
                    answer = client.request("POST", path, body, {"Content-Type": SAFETENSORS})
                assert answer.status == 200, answer
                taken[answer.json()["revision"]] = number
            numbers = [number for _, number in sorted(taken.items())]
            assert len(numbers) == 58
            check(client, session.path, UNIFORM, numbers)
        home.kill()
        home.lose_runtime()
        home.start()
        with home.client() as client:
            check(client, session.path, UNIFORM, numbers)


def test_what_the_runtime_directory_holds_from_before_a_reboot_is_not_used(tmp_path):
    """On a disk, a power cut may leave some pages of a model and not others."""
    boot = tmp_path / "boot_id"
    boot.write_text("another boot\n")
    reboot = ["unshare", "--mount", "sh", "-c",
              f'mount --bind {boot} /proc/sys/kernel/random/boot_id && exec "$@"', "sh"]
    if subprocess.run([*reboot, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mount namespaces are not permitted")
    with Home(*NEVER) as home:
        home.start()
        with home.client() as client:
            disk = Session(client, {**UNIFORM, **DISK}, "disk")
            fold(disk, [1, 2])
            fold(Session(client, UNIFORM, "process"), [1])
        home.kill()
        home.start(wrapper=reboot)
        with home.client() as client:
            client.get("/v1/sessions/process").problem(404, "session-not-found")
            state = Again(client, disk).state()
            assert state["revision"] == 2 and "recovered" not in state
            check(client, disk.path, UNIFORM, [1, 2])
        assert any("before the system was booted" in line for line in home.kill())
