"""Requests and connections leave no memory behind.

POLYAK_LEAK_ROUND says how many of each; 10,000 shows a leak of 200 bytes in each. What grows once,
as a thread or a table does, is none: a leak grows in every round.
"""

import os
import socket
import ssl

import numpy as np
import pytest

import certificates
from harness import Client2, eventually
from models import encode
from wire2 import Wire2

ROUND = int(os.environ.get("POLYAK_LEAK_ROUND", 2000))
ROUNDS = 4
# What the allocator and the kernel's accounting move by, whatever is done.
SLACK = 2 << 20
MODEL = encode({"w": np.ones(300, np.float32)})

pytestmark = pytest.mark.once("each test names its own protocol")


def expect_flat(service, act):
    """`act` gets a number; a first round fills the allocator's pools and grows the tables."""
    for number in range(ROUND):
        act(number)
    descriptors, grown = service.descriptors(), []
    while not grown or grown[-1] >= SLACK:
        assert len(grown) < ROUNDS, f"memory grew by {grown} bytes in rounds of {ROUND}"
        before = service.memory()
        for number in range(ROUND):
            act(number)
        eventually(lambda: service.descriptors() <= descriptors + 2, "descriptors are left open")
        grown.append(service.memory() - before)
    print(f"{ROUND} more: {grown[-1]:+} bytes")


def test_requests_of_one_http2_connection(start_service):
    service = start_service()
    with Client2(service) as client, client.session({"strategy": "polynomial_decay"}) as session:
        def act(number):
            match number % 4:
                case 0: assert session.upload(MODEL).status == 200
                case 1: assert session.average().status == 200
                case 2: assert client.get("/v1/sessions/none").status == 404
                case 3: assert session.upload(MODEL[:-1]).status == 400
        expect_flat(service, act)


def test_http2_connections(start_service):
    service = start_service()

    def act(number):
        match number % 3:
            case 0:
                with Client2(service) as client:
                    assert client.get("/livez").status == 200
            case 1:
                # An upgrade that is left before its answer is read.
                with socket.create_connection(("127.0.0.1", service.port)) as connected:
                    connected.sendall(
                        b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
            case 2:
                # A body that is cut.
                wire = Wire2(service.connect(tls=False))
                wire.protocol.send_headers(1, [
                    (b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"),
                    (b":path", b"/v1/sessions/none/parameters"), (b"content-length", b"9")])
                wire.protocol.send_data(1, b"part")
                wire.socket.sendall(wire.protocol.data_to_send())
                wire.close()
    expect_flat(service, act)


def test_tls_connections(start_service):
    service = start_service(tls=True)
    context = ssl.create_default_context(cafile=certificates.shared()[0])

    def act(number):
        connected = socket.create_connection(("127.0.0.1", service.tls_port))
        match number % 4:
            case 0:
                with connected:
                    connected.sendall(b"\x16\x03\x01\x02\x00\x01")
            case 1:
                with connected:
                    connected.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    while connected.recv(1000):
                        pass
            case _:
                with context.wrap_socket(connected, server_hostname="localhost") as secured:
                    secured.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert secured.recv(1000).startswith(b"HTTP/1.1 200 ")
    expect_flat(service, act)
