"""Each attack of Tests/Attacks for a moment: how it ends, memory, the status beside it.

Here the status only has to be answered; how fast it must be, `Tests/Attacks/run.py` judges, on a
machine that does nothing else.
"""

import sys

import pytest

from harness import ROOT, Service

sys.path.append(str(ROOT / "Tests" / "Attacks"))

import catalogue  # noqa: E402
import siege  # noqa: E402

pytestmark = pytest.mark.once("attacks choose their protocol themselves")


@pytest.fixture(scope="module")
def attacked():
    """The service with given settings, prepared to be attacked."""
    running = {}

    def with_settings(settings):
        if settings not in running:
            running[settings] = Service(*settings, tls=True)
            siege.prepare(running[settings])
        return running[settings]

    yield with_settings
    for service in running.values():
        service.stop()


@pytest.mark.parametrize("attack", catalogue.ALL.values(), ids=lambda attack: attack.name)
def test_an_attack_is_ended_or_absorbed(attacked, attack):
    service = attacked(attack.settings)
    row = siege.besiege(service, attack, 5 if attack.settings else 1.5)
    siege.print_row(siege.cells(row))
    assert not siege.complaints(attack, row)
