"""Holds idle connections, as a process of its own: `holder.py VERSION PORT COUNT`.

Each has made one request. Says `ready`; ends with its input.
"""

import contextlib
import socket
import sys

from crowd import allow_descriptors, quit_at_once
from frames import END_HEADERS, END_STREAM, HEADERS, PREFACE, FrameReader, frame, request, settings
from http1_floods import GET

AT_ONCE = 200
PATIENCE = 60
OPENINGS = {"1": GET, "2": PREFACE + settings() + frame(
    HEADERS, END_HEADERS | END_STREAM, 1, request())}


def hold(version, port, count):
    """The connections that were made and answered; those that were not are closed."""
    allow_descriptors(count + 100)
    held = []
    for first in range(0, count, AT_ONCE):
        batch = []
        for _ in range(first, min(first + AT_ONCE, count)):
            with contextlib.suppress(OSError):
                batch.append(socket.create_connection(("127.0.0.1", port), PATIENCE))
                batch[-1].sendall(OPENINGS[version])
        for made in batch:
            with contextlib.suppress(OSError):
                if answered(version, made):
                    held.append(made)
                    continue
            quit_at_once(made)
    return held


def answered(version, made):
    if version == "1":
        return made.recv(4096).startswith(b"HTTP/1.1 200")
    reader = FrameReader()
    while not reader.finished:
        data = made.recv(4096)
        if not data:
            return False
        reader.receive(data)
    made.sendall(reader.owed)
    return True


if __name__ == "__main__":
    version, port, count = sys.argv[1:]
    held = hold(version, int(port), int(count))
    print("ready", len(held), flush=True)
    sys.stdin.read()
    for made in held:
        quit_at_once(made)
