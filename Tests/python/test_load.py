"""Many clients at once, in the short form of `Tests/Attacks/load.py`.

A status request beside them only has to be answered; how fast it is, the long form tells, on a
machine that does nothing else.
"""

import sys

import pytest

from harness import ROOT

sys.path.append(str(ROOT / "Tests" / "Attacks"))

import load  # noqa: E402

pytestmark = pytest.mark.once("the clients choose their protocol themselves")


@pytest.mark.parametrize("version", ["1", "2"])
def test_idle_connections_cost_little(start_service, version):
    costs = []
    # What else the service takes meanwhile, a thread for instance, is divided by few connections.
    while not costs or costs[-1] > load.IDLE_BYTES[version]:
        assert len(costs) < 3, costs
        each, p99, worst = load.idle(start_service(), version, 1000, 1)
        print(f"HTTP/{version}: {each:,.0f} bytes each; status p99 {p99:.1f}, worst {worst:.1f} ms")
        costs.append(each)


def test_without_descriptors_nothing_spins_and_nothing_breaks(start_service):
    assert load.out_of_descriptors(start_service, 2) < 0.3


def test_slow_uploads_hold_nobody_up(start_service):
    p99, worst, outcome = load.slow_uploads(start_service(), 200, 2)
    print(f"status p99 {p99:.1f}, worst {worst:.1f} ms; {outcome.text}")


def test_large_uploads_at_once_take_no_memory_of_their_own(start_service):
    statuses, most = load.large_uploads(
        start_service("--staging-bytes", "4MiB"), 16, 8 << 20)
    assert set(statuses) <= {200, 429}
    assert most < 16 << 20
