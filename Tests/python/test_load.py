"""Many clients at once, in the short form of `Tests/Attacks/load.py`."""

import sys

import pytest

from harness import ROOT

sys.path.append(str(ROOT / "Tests" / "Attacks"))

import load  # noqa: E402

STANDSTILL = 5000
"""Milliseconds: how fast the service is, the long form tells on a machine that does nothing else.
"""
pytestmark = pytest.mark.once("the clients choose their protocol themselves")


@pytest.mark.parametrize("version", ["1", "2"])
def test_idle_connections_cost_little(start_service, version):
    each, _, worst = load.idle(start_service(), version, 1000, 1)
    assert each <= load.IDLE_BYTES[version]
    assert worst < STANDSTILL


def test_without_descriptors_nothing_spins_and_nothing_breaks(start_service):
    assert load.out_of_descriptors(start_service, 2) < 0.3


def test_slow_uploads_hold_nobody_up(start_service):
    _, worst, _ = load.slow_uploads(start_service(), 200, 2)
    assert worst < STANDSTILL


def test_large_uploads_at_once_take_no_memory_of_their_own(start_service):
    statuses, most = load.large_uploads(
        start_service("--staging-bytes", "4MiB"), 16, 8 << 20)
    assert set(statuses) <= {200, 429}
    assert most < 16 << 20
