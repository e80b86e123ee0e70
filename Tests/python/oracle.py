"""What the service must compute, written again from the papers and the original in NumPy.

Nothing here is taken from the service. test_oracle.py holds it against results that GluonTS on
MXNet computed, so that a wrong oracle is found before it finds fault with the service.
"""

import numpy as np

from models import FLOATS, Tensor, bf16_bits, tensor, widen

ACCUMULATORS = {"F64": np.float64, "F32": np.float32}


class Trigger:
    """When averaging begins (`report` after each epoch), and the losses it keeps."""

    def __init__(self, settings):
        self.settings = {"alpha": 0.75, "n": 5, "maximize": False, "last_n_trigger": False,
                         "fallback_alpha": 0.05, **settings}
        self.losses = []
        self.started = settings["name"] in ("immediate", "polynomial_decay")

    def report(self, loss, epoch):
        settings, name = self.settings, self.settings["name"]
        if name == "alpha_suffix":
            if epoch >= settings["epochs"] * (1.0 - settings["alpha"]):
                self.started = True
        elif name == "nta" and not self.started:
            self._nta(loss, epoch)

    def _nta(self, loss, epoch):
        settings, n, logs = self.settings, self.settings["n"], self.losses
        if epoch >= settings["epochs"] * (1.0 - settings["fallback_alpha"]):
            self.started = True
            return
        if n <= 0:
            return
        window, needed = (logs[-n:], n) if settings["last_n_trigger"] else (logs[:-n], n + 1)
        if len(logs) >= needed:
            better = loss < max(window) if settings["maximize"] else loss > min(window)
            self.started = better
        logs.append(loss)


def step_size(rule, count):
    """The weight of the newest of `count` models in double; None: it is copied."""
    name = rule["name"]
    if count == 1 or name == "latest":
        return None
    if name == "polynomial_decay":
        eta = float(rule.get("eta", 0))
        return (eta + 1.0) / (eta + count)
    if name == "uniform":
        return 1.0 / count
    if name == "ema":
        return 1.0 - float(rule.get("decay", 0.999))
    raise ValueError(name)


def fold(average, model, alpha, dtype):
    """a + α·(w − a), each operation rounded to `dtype`, α first."""
    with np.errstate(all="ignore"):
        model = model.astype(dtype)
        if alpha is None:
            return model
        difference = np.subtract(model, average, dtype=dtype)
        product = np.multiply(dtype(alpha), difference, dtype=dtype)
        return np.add(average, product, dtype=dtype)


class Average:
    """One average as `settings` of the service's JSON describe it."""

    def __init__(self, settings, accumulator="auto"):
        preset = settings.get("strategy")
        rule, trigger = settings.get("rule"), settings.get("trigger")
        if preset:
            rule = {"name": "polynomial_decay", "eta": settings.get("eta", 0)}
            trigger = {**settings, "name": preset}
        self.rule = rule or {"name": "polynomial_decay"}
        self.trigger = Trigger(trigger or {"name": "immediate"})
        self.accumulator = accumulator
        self.count = 0
        self.model = {}

    @property
    def started(self):
        return self.trigger.started

    @property
    def losses(self):
        return self.trigger.losses

    def report(self, loss, epoch):
        self.trigger.report(loss, epoch)

    def apply(self, model):
        """Folds one model {name: Tensor} if averaging has started; says whether."""
        if not self.started:
            return False
        self.count += 1
        alpha = step_size(self.rule, self.count)
        for name, value in model.items():
            value = value if isinstance(value, Tensor) else tensor(value)
            self.model[name] = self._folded(self.model.get(name), value, alpha)
        return True

    def _folded(self, average, value, alpha):
        if value.dtype not in FLOATS:
            return value
        kind = average.dtype if average else self._kind(value.dtype)
        before = average.data if average else None
        return Tensor(kind, fold(before, widen(value), alpha, ACCUMULATORS[kind]))

    def _kind(self, dtype):
        return "F64" if "F64" in (dtype, self.accumulator) else "F32"


class Session:
    """Several averages fed by the same models and reports."""

    def __init__(self, settings):
        averages = settings.get("averages") or {"main": settings}
        kind = settings.get("accumulator", "auto")
        self.averages = {name: Average(each, kind) for name, each in averages.items()}

    def __getitem__(self, name):
        return self.averages[name]

    def apply(self, model):
        return {name: average.apply(model) for name, average in self.averages.items()}

    def report(self, loss, epoch):
        for average in self.averages.values():
            average.report(loss, epoch)


def convert(value, dtype):
    """An averaged tensor as another type: nearest, ties to even, overflow to infinity."""
    if value.dtype not in FLOATS:
        return value
    if dtype == "BF16":
        return Tensor("BF16", bf16_bits(widen(value)))
    return tensor(widen(value), dtype)


def is_finite(model):
    return all(bool(np.isfinite(widen(each)).all())
               for each in model.values() if each.dtype in FLOATS)


def closed_form(count, eta):
    """Polynomial decay of the models 1, 2 … count, in exact arithmetic."""
    return (count * (eta + 1) + 1) / (eta + 2)
