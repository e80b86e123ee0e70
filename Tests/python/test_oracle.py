"""The oracle itself against the original's results, and our file code against the format's own."""

import hashlib
import math

import numpy as np
import pytest
import safetensors.numpy

import oracle
import trajectories
from models import Tensor, assert_same, bf16_bits, decode, encode, tensor, widen

pytestmark = pytest.mark.once("nothing is asked of a service")
GOLDEN = trajectories.golden_all()


def replay(trajectory):
    """Applies a trajectory to the oracle and compares after every event; returns the average."""
    average = oracle.Average(trajectory.settings)
    for index, event in enumerate(trajectory.events):
        if event.operation == "apply":
            average.apply(event.model)
        elif event.operation == "trigger":
            if trajectories.refused(trajectory, event):
                break
            average.report(event.metric, event.epoch)
        where = f"{trajectory.name} event {index}"
        assert (average.started, average.count) == (event.started, event.counter), where
        if event.losses is not None:
            assert average.losses == event.losses, where
        assert (event.digests is not None) == (average.count > 0), where
        for name, digest in (event.digests or {}).items():
            mine = average.model[name]
            if np.isnan(mine.data).any() and name in event.tensors:
                assert_same({name: mine}, {name: event.tensors[name]})
            else:
                assert hashlib.sha256(mine.raw).hexdigest() == digest, f"{where} {name}"
    return average


@pytest.mark.parametrize("trajectory", GOLDEN, ids=lambda each: each.name)
def test_the_oracle_equals_the_original(trajectory):
    replay(trajectory)


def test_the_oracle_equals_the_original_on_its_real_run():
    trajectory, final = trajectories.real_run()
    assert_same(replay(trajectory).model, final)


def test_the_fixtures_are_all_there():
    assert len(GOLDEN) == 19
    assert sum(len(each.events) for each in GOLDEN) == 641


@pytest.mark.parametrize("eta,expected", [(0, 5.5), (0.5, 6.4), (1, 7.0), (3, 8.2), (8, 9.1)])
def test_the_oracle_reaches_the_closed_form(eta, expected):
    average = oracle.Average({"strategy": "polynomial_decay", "eta": eta})
    for value in range(1, 11):
        average.apply({"w": np.array([value], np.float64)})
    assert average.model["w"].data == pytest.approx(expected, rel=1e-14)
    assert oracle.closed_form(10, eta) == pytest.approx(expected, rel=1e-14)


def test_every_rounding_of_the_fold_counts():
    # α in double, or a fused multiply-add, would change many of these elements.
    random = np.random.default_rng(1)
    a, w = random.standard_normal((2, 10_000)).astype(np.float32)
    exact = oracle.fold(a, w, 1 / 3, np.float32)
    wide = (a + (1 / 3) * (w.astype(np.float64) - a)).astype(np.float32)
    assert exact.dtype == np.float32
    assert 100 < (exact != wide).sum() < 9_000


def test_bfloat16_rounds_once_to_the_nearest_even():
    def bits(value):
        return int(bf16_bits(np.array(value)))

    assert bits(1.0) == 0x3F80
    assert bits(1 + 2**-8) == 0x3F80 and bits(1 + 3 * 2**-8) == 0x3F82, "ties go to even"
    # Rounded to float32 first, this would become a tie and fall to the even neighbour below.
    assert bits(1 + 2**-8 + 2**-40) == 0x3F81
    assert bits(1 + 3 * 2**-8 - 2**-40) == 0x3F81
    assert bits(-(1 + 2**-8 + 2**-40)) == 0xBF81
    assert bits(3.3895313892515355e38) == 0x7F7F and bits(3.4e38) == 0x7F80
    assert bits(1e300) == 0x7F80 and bits(-math.inf) == 0xFF80
    assert bits(2.0**-133) == 0x0001 and bits(2.0**-135) == 0
    assert bits(2.0**-134) == 0 and bits(2.0**-134 + 2.0**-180) == 1
    assert math.isnan(widen(Tensor("BF16", bf16_bits(np.array(math.nan)))))


def test_our_files_are_read_by_the_formats_own_library():
    model = {"a/b": np.arange(6, dtype=np.float32).reshape(2, 3), "权重": np.array(2.5),
             "none": np.zeros((0, 4), np.float16), "count": np.array([1, -2]),
             "mask": np.array([True, False])}
    body = encode(model, {"who": "test"})
    theirs = safetensors.numpy.load(body)
    assert sorted(theirs) == sorted(model)
    for name, values in model.items():
        assert theirs[name].dtype == values.dtype and (theirs[name] == values).all()
        assert theirs[name].shape == values.shape
    back, metadata = decode(body)
    assert_same(back, {name: tensor(values) for name, values in model.items()})
    assert metadata == {"who": "test"}
    written = safetensors.numpy.save({name: values for name, values in model.items()})
    assert_same(decode(written)[0], {name: tensor(values) for name, values in model.items()})
