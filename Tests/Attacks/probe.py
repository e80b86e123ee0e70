"""Asks for the service's status all the time, as a process of its own: `probe.py PORT`.

Over two connections that are kept, which the service puts on two lanes, and over a new one, in
turn. Says `ready` when it begins; ends with its input, after all three, and prints JSON of the
seconds that answers took.
"""

import itertools
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


class Asker:
    """Asks over a connection that is kept, or over a new one each time; again when the connection
    had been closed because this process got no time to send."""

    def __init__(self, port, keeps):
        self.port, self.keeps, self.connection, self.used = port, keeps, None, 0

    def ask(self):
        """Whether the answer is good."""
        for _ in range(10):
            good, was_late = self._try()
            if not was_late:
                break
        return good

    def _try(self):
        began = time.perf_counter()
        # The service waits for a request since a moment after this one.
        since = self.used if self.connection else began
        self.used, sent, good = began, None, False
        try:
            self.connection = self.connection or connect(self.port)
            self.connection.sendall(REQUEST)
            sent = time.perf_counter()
            good = self.connection.recv(4096).startswith(b"HTTP/1.1 200")
        except TimeoutError:
            # The service had its time.
            sent = began
        except OSError:
            pass
        was_late = not good and (sent or time.perf_counter()) - since > IDLE
        if self.connection and not (good and self.keeps):
            self.connection.close()
            self.connection = None
        return good, was_late


def probe(port, is_over):
    askers = [Asker(port, True), Asker(port, True), Asker(port, False)]
    took, failures = [], 0
    for asker in itertools.cycle(askers):
        # Both that are kept are there before anything else happens to the service.
        if len(took) == 2:
            print("ready", flush=True)
        began = time.perf_counter()
        failures += not asker.ask()
        took.append(time.perf_counter() - began)
        if len(took) > 2 and is_over():
            return {"seconds": took, "failures": failures}


if __name__ == "__main__":
    def is_over():
        return select.select([sys.stdin], [], [], PERIOD)[0]

    print(json.dumps(probe(int(sys.argv[1]), is_over)))
