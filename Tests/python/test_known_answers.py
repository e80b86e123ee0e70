"""Answers known from algebra and from the papers, asked of the service over HTTP."""

import numpy as np
import pytest

import oracle
from harness import upload_to
from models import assert_same, encode, tensor

PIPELINED = 50


def stream(service, session, models):
    """Uploads many models on one connection, PIPELINED requests at a time."""
    with service.wire() as wire:
        for start in range(0, len(models), PIPELINED):
            batch = models[start:start + PIPELINED]
            for model in batch:
                wire.open(upload_to(session.path, encode({"w": model})))
            for _ in batch:
                answer = wire.answer()
                assert answer.status == 200, answer


def averaged(session, name="main"):
    return session.average(name).model()["w"].data


@pytest.mark.parametrize("dtype,tolerance", [("F32", 1e-6), ("F64", 1e-14)])
@pytest.mark.parametrize("eta,expected", [(0, 5.5), (0.5, 6.4), (1, 7.0), (3, 8.2), (8, 9.1)])
def test_polynomial_decay_reaches_its_closed_form(client, eta, expected, dtype, tolerance):
    with client.session({"strategy": "polynomial_decay", "eta": eta}) as session:
        for value in range(1, 11):
            session.fold({"w": tensor([float(value)] * 5, dtype)})
        assert averaged(session) == pytest.approx(expected, rel=tolerance)
        assert session.state()["averages"]["main"]["average_counter"] == 10


def test_ema_uniform_and_latest_reach_their_closed_forms(client):
    settings = {"averages": {
        "ema": {"rule": {"name": "ema", "decay": 0.5}, "trigger": {"name": "immediate"}},
        "uniform": {"rule": {"name": "uniform"}},
        "latest": {"rule": {"name": "latest"}}}}
    with client.session(settings) as session:
        for value in range(1, 11):
            session.fold({"w": np.array([value], np.float64)})
        # a_T = 2^(1−T)·1 + Σ 2^(t−T−1)·t = T − 1 + 2^(1−T)
        assert averaged(session, "ema") == [9 + 2.0**-9]
        assert averaged(session, "uniform") == pytest.approx(5.5, rel=1e-14)
        assert averaged(session, "latest") == [10]


@pytest.mark.parametrize("decay,expected", [(1, 1.0), (0, 10.0)])
def test_a_decay_of_one_keeps_the_first_and_of_zero_the_last(client, decay, expected):
    with client.session({"rule": {"name": "ema", "decay": decay}}) as session:
        for value in range(1, 11):
            session.fold({"w": np.array([value], np.float32)})
        assert averaged(session) == [expected]


FIRST_EPOCHS = {0: 10, 0.1: 9, 0.25: 8, 0.5: 5, 0.75: 3, 0.8: 2, 0.9: 1, 1: 1}


def test_alpha_suffix_starts_at_the_first_epochs_of_the_original(client):
    averages = {f"a{alpha}": {"strategy": "alpha_suffix", "epochs": 10, "alpha": alpha}
                for alpha in FIRST_EPOCHS}
    started = {}
    with client.session({"averages": averages}) as session:
        for epoch in range(1, 11):
            answer = session.report(None, epoch)
            assert answer.status == 200, answer
            for name, state in answer.json()["averages"].items():
                assert state["averaging_started"] == (state["started_now"] or name in started)
                if state["averaging_started"]:
                    started.setdefault(name, epoch)
        state = session.state()
    assert started == {f"a{alpha}": epoch for alpha, epoch in FIRST_EPOCHS.items()}
    for name, epoch in started.items():
        assert state["averages"][name]["started"]["epoch"] == epoch
        assert state["averages"][name]["started"]["revision"] == epoch
        assert state["averages"][name]["started"]["reason"]


def test_once_started_alpha_suffix_stays_on(client):
    with client.session({"strategy": "alpha_suffix", "epochs": 4, "alpha": 0.5}) as session:
        assert not session.report(1, 1).json()["averages"]["main"]["averaging_started"]
        first = session.report(1, 2).json()["averages"]["main"]
        assert first["averaging_started"] and first["started_now"] and first["reason"]
        again = session.report(1, 0).json()["averages"]["main"]
        assert again["averaging_started"] and not again["started_now"]


NTA_LOSSES = [5, 4, 3, 2, 3, 3, 3, 3, 3, 3, 3]


def nta_table():
    """{name: (settings, report at which it starts or None, average of the models from then)}."""
    table = {}
    for n in range(1, 12):
        for last in (True, False):
            if last:
                start = 5 if n <= 4 else n + 1 if n <= 10 else None
                mean = 7 if n <= 4 else (n + 10) / 2
            else:
                start = n + 5 if n <= 6 else None
                mean = (4 + n + 10) / 2
            settings = {"strategy": "nta", "epochs": 5, "n": n, "last_n_trigger": last,
                        "fallback_alpha": 0}
            table[f"n{n}-{last}"] = settings, start, mean
    return table


@pytest.mark.parametrize("maximize", [False, True])
def test_nta_starts_at_the_reports_of_the_golden_vector(client, maximize):
    # Maximising the negated losses is the same trajectory.
    table, sign = nta_table(), -1 if maximize else 1
    averages = {name: {**settings, "maximize": maximize}
                for name, (settings, _, _) in table.items()}
    with client.session({"averages": averages}) as session:
        seen = {}
        for number, loss in enumerate(NTA_LOSSES):
            answer = session.report(sign * loss, 0).json()
            for name, state in answer["averages"].items():
                if state["started_now"]:
                    seen[name] = number + 1
            session.fold({"w": np.full((2, 2), number, np.float32)})
        assert seen == {name: start for name, (_, start, _) in table.items() if start}
        state = session.state()["averages"]
        for name, (_, start, mean) in table.items():
            logged = start or len(NTA_LOSSES)
            assert state[name]["losses"] == [sign * loss for loss in NTA_LOSSES[:logged]], name
            if start is None:
                session.average(name).problem(404, "averaging-not-started")
            else:
                assert averaged(session, name) == pytest.approx(mean, rel=1e-6), name
                assert state[name]["average_counter"] == len(NTA_LOSSES) - start + 1


def test_the_reason_names_the_losses_that_were_compared(client):
    with client.session({"strategy": "nta", "epochs": 100, "n": 5,
                         "last_n_trigger": True}) as session:
        for epoch, loss in enumerate((5, 4, 3, 2, 3), 1):
            session.report(loss, epoch)
        reason = session.report(3.25, 6).json()["averages"]["main"]["reason"]
        assert "3.25" in reason and "2" in reason and "5" in reason
        assert session.state()["averages"]["main"]["started"]["reason"] == reason


def test_nta_falls_back_near_the_end_and_does_not_log_that_loss(client):
    with client.session({"strategy": "nta", "epochs": 10, "n": 0,
                         "fallback_alpha": 0.25}) as session:
        started = [session.report(9 - epoch, epoch).json()["averages"]["main"]["averaging_started"]
                   for epoch in range(1, 9)]
        assert started == [False] * 7 + [True]
        assert session.state()["averages"]["main"]["losses"] == []


# Constant-step SGD w ← w − s·(w + noise) on ½w² with s = 0.1 and noise of variance 1. Stationary
# variance of an iterate s/(2 − s). Iterates average to (noise mean) up to O(1/(sT)), so uniform
# weights give 1/T; weights ∝ t³ (eta 3) Σt⁶/(Σt³)² = (16/7)/T; an EMA of weight a keeps a/(2 − a)
# of the long-run variance 1. The mean square over R repetitions has a relative standard
# deviation of √(2/R), 3.2 % here; the bounds are three of those.
TIMES, REPETITIONS = 10_000, 2_000


def test_averaging_helps_as_much_as_theory_says(service, client):
    random = np.random.default_rng(20)
    point, iterates = np.zeros(REPETITIONS), []
    for _ in range(TIMES):
        point = point - 0.1 * (point + random.standard_normal(REPETITIONS))
        iterates.append(point)
    settings = {"averages": {
        "last": {"rule": {"name": "latest"}},
        "uniform": {"rule": {"name": "uniform"}},
        "eta3": {"rule": {"name": "polynomial_decay", "eta": 3}},
        "ema": {"rule": {"name": "ema", "decay": 0.999}}}}
    with client.session(settings) as session:
        stream(service, session, iterates)
        error = {name: float(np.mean(averaged(session, name)**2)) for name in settings["averages"]}
        assert session.state()["averages"]["ema"]["average_counter"] == TIMES
        ideal = oracle.Session(settings)
        for point in iterates:
            ideal.apply({"w": tensor(point)})
        for name in settings["averages"]:
            assert_same(session.average(name).model(), ideal[name].model)
    assert error["last"] == pytest.approx(0.1 / 1.9, rel=0.10)
    assert error["uniform"] == pytest.approx(1 / TIMES, rel=0.10)
    assert error["eta3"] == pytest.approx(16 / 7 / TIMES, rel=0.10)
    assert error["ema"] == pytest.approx(0.001 / 1.999, rel=0.10)
    assert error["last"] / error["uniform"] == pytest.approx(526, rel=0.15)
    assert error["last"] / error["eta3"] == pytest.approx(230, rel=0.15)


def rakhlin_iterates(repetitions):
    """SGD of step 1/t on [−1, 1] for F = ½w² + (w if w ≥ 0 else −7w), noisy only for w ≥ 0."""
    random = np.random.default_rng(1109)
    point, iterates = np.ones(repetitions), []
    for time in range(1, TIMES + 1):
        iterates.append(point)
        slope = np.where(point >= 0, point + random.uniform(-1, 3, repetitions), point - 7)
        point = np.clip(point - slope / time, -1, 1)
    return iterates


def test_rakhlins_example_separates_the_suffix_from_the_full_mean(service, client):
    # T·(F(average) − F*) grows with log T for the full mean and stays flat for the others.
    iterates, scaled = rakhlin_iterates(400), {}
    for times in (1_000, 10_000):
        settings = {"averages": {
            "full": {"rule": {"name": "uniform"}},
            "suffix": {"strategy": "alpha_suffix", "epochs": 2, "alpha": 0.5},
            "eta3": {"strategy": "polynomial_decay", "eta": 3}}}
        with client.session(settings) as session:
            stream(service, session, iterates[:times // 2])
            assert session.report(None, 1).status == 200
            stream(service, session, iterates[times // 2:times])
            for name in settings["averages"]:
                point = averaged(session, name)
                error = 0.5 * point**2 + np.where(point >= 0, point, -7 * point)
                scaled[name, times] = times * float(error.mean())
    assert scaled["full", 1_000] == pytest.approx(18.1, rel=0.07)
    assert scaled["full", 10_000] == pytest.approx(25.2, rel=0.07)
    assert scaled["full", 10_000] - scaled["full", 1_000] > 5
    for times in (1_000, 10_000):
        assert scaled["suffix", times] == pytest.approx(4.33, rel=0.03)
        assert scaled["eta3", times] == pytest.approx(4.165, rel=0.03)
