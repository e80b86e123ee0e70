"""Sequences of calls with the state that must follow each: the original's, and random ones."""

import json
import math
import pathlib
from typing import NamedTuple, Optional

import numpy as np

import oracle
from models import Tensor, decode, tensor

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Fixtures" / "golden"


class Event(NamedTuple):
    """One call and what must be true after it.

    `operation` is `apply`, `trigger`, `load_averaged` or `load_cached`. `losses` is None where the
    recording does not say. `digests` are SHA-256 of the average's tensors, None without an average;
    `tensors` those of them whose values are recorded.
    """

    operation: str
    model: dict
    metric: object
    epoch: Optional[int]
    started: bool
    counter: int
    losses: Optional[list]
    digests: Optional[dict]
    tensors: dict
    loaded: Optional[dict]


class Trajectory(NamedTuple):
    name: str
    settings: dict
    events: list

    @property
    def finite(self):
        return all(oracle.is_finite(event.model) and oracle.is_finite(event.tensors)
                   for event in self.events)


def settings_of(config):
    """The service's settings for a recorded strategy."""
    names = {"NTA": "nta", "Alpha_Suffix": "alpha_suffix"}
    rest = {key: value for key, value in config.items() if key != "kind"}
    return {"strategy": names[config["kind"]], **rest}


def metric_of(value):
    return float(value) if isinstance(value, str) else value


def refused(trajectory, event):
    """Whether the service refuses this report although the original took it."""
    if event.operation != "trigger":
        return False
    if event.metric is None:
        return trajectory.settings.get("n", 0) > 0
    return not math.isfinite(event.metric)


def golden(path):
    """A trajectory recorded from the original."""
    record = json.loads(path.read_text(encoding="utf-8"))
    arrays = np.load(path.with_suffix(".npz"))

    def stored(prefix):
        found = {}
        for name in record["tensors"]:
            key = f"{prefix}|{name.replace('/', '|')}"
            if key in arrays:
                found[name] = tensor(arrays[key])
        return found

    model, events = stored("init"), []
    for index, event in enumerate(record["events"]):
        if event.get("params"):
            model = {**model, **stored(f"in|{index}")}
        state = event["state"]
        events.append(Event(
            event["op"], model, metric_of(event.get("metric")), event.get("epoch"),
            state["averaging_started"], state["average_counter"], state["val_logs"],
            event.get("avg_sha256"), stored(f"avg|{index}"), stored(f"model|{index}") or None))
    return Trajectory(path.stem, settings_of(record["config"]), events)


def golden_all():
    return [golden(path) for path in sorted((FIXTURES / "iteration").glob("*.json"))]


def real_run():
    """The recorded training run of the original's own trainer."""
    folder = FIXTURES / "realrun" / "nta_n2_val"
    record = json.loads((folder / "events.json").read_text(encoding="utf-8"))
    model, events = {}, []
    for event in record["events"]:
        if "file" in event:
            name = event["file"].replace(".params", ".safetensors")
            model, _ = decode((folder / name).read_bytes())
        metric = float.fromhex(event["metric_hex"]) if "metric_hex" in event else None
        events.append(Event(event["op"], model, metric, event.get("epoch"),
                            event["averaging_started"], event["average_counter"], None,
                            event["avg_sha256"], {}, None))
    final, _ = decode((folder / "final_average.safetensors").read_bytes())
    return Trajectory("realrun", settings_of(record["config"]), events), final


def _random_settings(random):
    epochs = int(random.integers(1, 25))
    eta = random.choice([0, 0.5, 1, 3, 7.77, 0.001, 1 / 3, -0.5, 100, -0.999999, 1e15, 1e300]).item()
    fraction = random.choice([0, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 0.9, 1]).item()
    if random.random() < 0.4:
        return {"strategy": "alpha_suffix", "epochs": epochs, "alpha": fraction, "eta": eta}
    n = random.choice([-2**62, -1, 0, 1, 1, 2, 2, 3, 4, 5, 8, 2**62]).item()
    return {"strategy": "nta", "epochs": epochs, "n": n,
            "maximize": bool(random.integers(2)), "last_n_trigger": bool(random.integers(2)),
            "eta": eta, "fallback_alpha": fraction}


def _random_values(random, shape, special):
    values = random.standard_normal(shape) * 10.0 ** random.integers(-6, 7)
    if special and values.size:
        odd = [np.inf, -np.inf, np.nan, 1e-42, -1e-45, 3.4e38, -3.4e38, 0.0, -0.0]
        flat = values.reshape(-1)
        for place in random.integers(0, flat.size, random.integers(0, 3)):
            flat[place] = random.choice(odd)
    return values


def generated(seed):
    """A random trajectory; what must follow each call comes from the oracle."""
    random = np.random.default_rng(seed)
    settings = _random_settings(random)
    special = random.random() < 0.2
    names = ["weight", "bias", "a/b:c", "ünïcødé_权重", "scalar", "steps"]
    chosen = [names[index] for index in
              random.permutation(len(names))[:random.integers(1, len(names) + 1)]]
    shapes = {name: tuple(random.integers(1, 6, random.integers(0, 4)).tolist()) for name in chosen}
    types = {name: "I64" if name == "steps" else
             random.choice(["F32", "F32", "F32", "F64", "F16", "BF16"]).item() for name in chosen}
    average, events, model = oracle.Average(settings), [], {}

    def note(operation, metric=None, epoch=None):
        values = {name: Tensor(each.dtype, each.data.copy())
                  for name, each in average.model.items()} if average.count else None
        events.append(Event(operation, model, metric, epoch, average.started, average.count,
                            list(average.losses), None, values or {},
                            None))

    for epoch in range(1, min(settings["epochs"], 8) + 1):
        for _ in range(random.integers(1, 4)):
            model = {name: tensor(np.asarray(_random_values(random, shapes[name], special)),
                                  types[name]) if types[name] != "I64" else
                     tensor(random.integers(-2**62, 2**62, shapes[name]), "I64") for name in chosen}
            average.apply(model)
            note("apply")
        loss = random.choice([1, 2, 2.5, 3, random.standard_normal(), 0.1, -0.0, 5e-324, 1e308,
                              -1e308, 2.0**53 + 2]).item()
        step = epoch if random.random() < 0.9 else 0
        average.report(loss, step)
        note("trigger", loss, step)
        if random.random() < 0.5:
            average.apply(model)
            note("apply")
    return Trajectory(f"random-{seed}", settings, events)
