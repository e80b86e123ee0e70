"""Asks for the service's status all the time, as a process of its own: `probe.py PORT`.

Over two connections that are kept, which the service puts on two lanes, and over a new one, in
turn. Says `ready` when it begins; ends with its input, after all three, and prints JSON of the
seconds that answers took.
"""

import json
import select
import socket
import sys
import time

PERIOD = 0.01
REQUEST = b"GET /livez HTTP/1.1\r\nHost: polyak.test\r\n\r\n"
PATIENCE = 60
IDLE = 0.5
"""Seconds within which no service closes a connection for want of requests."""


def connect(port):
    made = socket.create_connection(("127.0.0.1", port), PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def ask(connection):
    connection.sendall(REQUEST)
    return connection.recv(4096).startswith(b"HTTP/1.1 200")


class Kept:
    """A connection for many requests, and another one when it was closed because this process got
    no time for the next."""

    def __init__(self, port):
        self.port, self.connection, self.used = port, connect(port), time.perf_counter()

    def ask(self):
        try:
            good = ask(self.connection)
        except TimeoutError:
            raise
        except OSError:
            good = False
        if not good and time.perf_counter() - self.used > IDLE:
            self.connection.close()
            self.connection = connect(self.port)
            good = ask(self.connection)
        self.used = time.perf_counter()
        return good


def probe(port, is_over):
    kept = [Kept(port), Kept(port)]
    took, failures, turn = [], 0, 0
    print("ready", flush=True)
    while len(took) < 3 or not is_over():
        began = time.perf_counter()
        try:
            if turn < 2:
                good = kept[turn].ask()
            else:
                with connect(port) as fresh:
                    good = ask(fresh)
        except OSError:
            good = False
        failures += not good
        took.append(time.perf_counter() - began)
        if not good and turn < 2:
            kept[turn] = Kept(port)
        turn = (turn + 1) % 3
    return {"seconds": took, "failures": failures}


if __name__ == "__main__":
    def is_over():
        return select.select([sys.stdin], [], [], PERIOD)[0]

    print(json.dumps(probe(int(sys.argv[1]), is_over)))
