"""The original's recorded trajectories, its real training run, and random ones, over HTTP."""

import hashlib

import numpy as np
import pytest
import safetensors.numpy

import trajectories
from models import assert_same, encode, tensor
from test_oracle import GOLDEN

RANDOM_TRAJECTORIES = 600


def parsed(body):
    """A model as the format's own library reads it."""
    if b'"BF16"' in body[:1 << 16]:
        raise AssertionError("an average is never stored as BF16")
    return {name: tensor(values) for name, values in safetensors.numpy.load(body).items()}


def check_average(session, event, where):
    answer = session.average()
    if event.digests is None and event.counter == 0:
        answer.problem(404, "averaging-not-started")
        return None
    assert answer.status == 200, f"{where}: {answer}"
    assert answer["Polyak-Average-Counter"] == str(event.counter), where
    received = parsed(answer.body)
    for name, digest in (event.digests or {}).items():
        mine = received[name]
        if not (np.isnan(mine.data).any() and name in event.tensors):
            assert hashlib.sha256(mine.raw).hexdigest() == digest, f"{where} {name}"
    assert_same({name: received[name] for name in event.tensors}, event.tensors)
    return received


def replay(client, trajectory):
    """Makes every call of the trajectory over HTTP and compares after each; the last average."""
    settings = dict(trajectory.settings)
    if not trajectory.finite:
        settings["non_finite"] = "propagate"
    average = cached = None
    with client.session(settings) as session:
        for index, event in enumerate(trajectory.events):
            where = f"{trajectory.name} event {index} {event.operation}"
            if event.operation == "apply":
                answer = session.fold(event.model)
                assert answer["applied"] == event.started, where
            elif event.operation == "trigger":
                answer = session.report(event.metric, event.epoch)
                if trajectories.refused(trajectory, event):
                    answer.problem(422, "invalid-report")
                    break
                assert answer.status == 200, f"{where}: {answer}"
                assert answer.json()["averages"]["main"]["averaging_started"] == event.started
            elif event.operation == "load_averaged" and average is not None:
                cached = encode(event.model)
                saved = client.request("PUT", f"{session.path}/cached", cached)
                assert saved.status in (200, 201), saved
                if event.loaded:
                    assert_same(average, event.loaded)
            elif event.operation == "load_cached" and cached is not None:
                kept = client.get(f"{session.path}/cached")
                assert (kept.status, kept.body) == (200, cached), where
                if event.loaded:
                    assert_same(parsed(kept.body), event.loaded)
            state = session.state()["averages"]["main"]
            assert state["averaging_started"] == event.started, where
            assert state["average_counter"] == event.counter, where
            if event.losses is not None:
                assert state["losses"] == event.losses, where
            average = check_average(session, event, where)
    return average


@pytest.mark.parametrize("trajectory", GOLDEN, ids=lambda each: each.name)
def test_a_trajectory_of_the_original(client, trajectory):
    replay(client, trajectory)


def test_the_real_training_run(client):
    trajectory, final = trajectories.real_run()
    assert_same(replay(client, trajectory), final)


@pytest.mark.parametrize("block", range(0, RANDOM_TRAJECTORIES, 25))
def test_random_trajectories(client, block):
    for seed in range(block, block + 25):
        replay(client, trajectories.generated(seed))
