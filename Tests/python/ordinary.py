"""An ordinary model, and what the service must make of it."""

import numpy as np

import oracle
from models import Tensor, tensor

ORDINARY = {"layer/0.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
            "bias": np.array([1e-3, 70000, -1e39, 3e-8, 0.1], np.float64),
            "steps": np.array([3, -4]), "mask": np.array([[True, False]]),
            "scalar": np.array(2.5, np.float32), "none": np.zeros((0, 3), np.float32)}
UNIFORM = {"rule": {"name": "uniform"}}


def tensors(model):
    return {name: value if isinstance(value, Tensor) else tensor(value)
            for name, value in model.items()}


def averaged(*models, settings=UNIFORM, accumulator="auto"):
    average = oracle.Average(settings, accumulator)
    for model in models:
        average.apply(tensors(model))
    return average.model


TRIPLED = {name: (value * 3).astype(value.dtype) for name, value in ORDINARY.items()}
# The uniform mean of the two.
EXPECTED = averaged(ORDINARY, TRIPLED)
