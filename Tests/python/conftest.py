"""Fixtures: one service for the whole run, and fresh ones for tests that disturb it.

Marks say which tests are not for every protocol: `http1_only` with what of HTTP/1.1 they are
about, `once` with the reason why the protocol does not matter.
"""

import collections
import os
import socket

import pytest

from fixed import fixed_on
from harness import BINARY, HTTP2, PROTOCOL, Service
from http2_frames import Peer
from ordinary import ORDINARY, TRIPLED, UNIFORM
from wire import PATIENCE


def pytest_configure(config):
    config.addinivalue_line("markers", "http1_only(reason): not for HTTP/2")
    config.addinivalue_line("markers", "once(reason): only where HTTP/1.1 is tested")


def pytest_collection_modifyitems(config, items):
    if not BINARY.exists() and any(
            {"service", "start_service"} & set(item.fixturenames) for item in items):
        pytest.exit(f"{BINARY} is missing: build it with `swift build -c release`", 2)
    left_out = {"http1_only": HTTP2, "once": PROTOCOL != "h1"}
    config.left_out, kept = collections.Counter(), []
    for item in items:
        marks = [mark for name in left_out if left_out[name]
                 for mark in item.iter_markers(name)]
        if marks:
            config.left_out[f"{marks[0].name}: {marks[0].args[0]}"] += 1
        else:
            kept.append(item)
    items[:] = kept


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line(
        f"protocol {PROTOCOL}; left out: {sum(config.left_out.values())} tests")
    for reason, count in sorted(config.left_out.items()):
        terminalreporter.write_line(f"  {count:4} {reason}")


@pytest.fixture(scope="session")
def service():
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def http2(request):
    """Opens plain connections for HTTP/2. HTTP2_PORT names another server, to be judged by the
    same cases: it has to answer GET / with 200 and some content."""
    port = os.environ.get("HTTP2_PORT")
    if port:
        return lambda: Peer(socket.create_connection(("127.0.0.1", int(port)), PATIENCE))
    service = request.getfixturevalue("service")
    return lambda: Peer(service.connect(tls=False))


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


@pytest.fixture(scope="module")
def fixed_sessions(service):
    with fixed_on(service) as made:
        yield made


@pytest.fixture
def fixed(fixed_sessions):
    """The two sessions; whatever the test did, the average is the same afterwards."""
    before = fixed_sessions.look()
    yield fixed_sessions
    assert fixed_sessions.look() == before


@pytest.fixture
def session(client):
    """A session with two folded models."""
    with client.session(UNIFORM) as made:
        made.fold(ORDINARY)
        made.fold(TRIPLED)
        yield made
