"""Asks for the service's status all the time, as a process of its own: `probe.py PORT`.

Over two connections that are kept, which the service puts on two lanes, and over a new one, in
turn. Ends with its input; prints JSON of the seconds that answers took.
"""

import json
import select
import socket
import sys
import time

PERIOD = 0.01
REQUEST = b"GET /livez HTTP/1.1\r\nHost: polyak.test\r\n\r\n"
PATIENCE = 30


def connect(port):
    made = socket.create_connection(("127.0.0.1", port), PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def ask(connection):
    connection.sendall(REQUEST)
    return connection.recv(4096).startswith(b"HTTP/1.1 200")


def probe(port, is_over):
    kept = [connect(port), connect(port)]
    took, failures, turn = [], 0, 0
    while not is_over():
        began = time.perf_counter()
        try:
            if turn < 2:
                good = ask(kept[turn])
            else:
                with connect(port) as fresh:
                    good = ask(fresh)
        except OSError:
            good = False
        failures += not good
        took.append(time.perf_counter() - began)
        if not good and turn < 2:
            kept[turn] = connect(port)
        turn = (turn + 1) % 3
    return {"seconds": took, "failures": failures}


if __name__ == "__main__":
    def is_over():
        return select.select([sys.stdin], [], [], PERIOD)[0]

    print(json.dumps(probe(int(sys.argv[1]), is_over)))
