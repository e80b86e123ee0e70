"""Tests over tables whose rows begin with a name."""

import pytest


def named(arguments, rows):
    """Runs a test once for each row: its name, which is the test's too, then the arguments."""
    return pytest.mark.parametrize(
        arguments, [pytest.param(*values, id=name) for name, *values in rows])
