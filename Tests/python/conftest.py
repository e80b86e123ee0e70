"""Fixtures: one service for the whole run, and fresh ones for tests that disturb it."""

import pytest

from harness import BINARY, Service


def pytest_collection_modifyitems(items):
    if not BINARY.exists() and any("service" in item.fixturenames for item in items):
        pytest.exit(f"{BINARY} is missing: build it with `swift build -c release`", 2)


@pytest.fixture(scope="session")
def service():
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def client(service):
    with service.client() as connection:
        yield connection


@pytest.fixture
def start_service():
    """Starts further services; each is stopped, and must leave cleanly, at the test's end."""
    running = []

    def start(*arguments, **options):
        running.append(Service(*arguments, **options))
        return running[-1]

    yield start
    for each in running:
        if not each.discarded:
            each.stop()
