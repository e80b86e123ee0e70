"""Attacks on the port that speaks TLS, before a request is made."""

import socket
import ssl
import struct
import time

from attack import ENDED, SHORT, Outcome, register
from crowd import crowd, quit_at_once
from flood import flood
from http1_floods import BARE, GET
from link import Burst

HELLO = b"\x16\x03\x01" + struct.pack(">H", 512) + b"\x01\0\x01\xfc\x03\x03" + bytes(32)
"""A record that begins a handshake, and ends too early."""
STALLED_BYTES = 16 * 1024
"""For each such connection; OpenSSL, which takes 40 KiB, has not begun."""


def handshakes(port, seconds):
    """One after the other, each whole and with a key exchange of its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    began, made, failed = time.monotonic(), 0, 0
    while time.monotonic() < began + seconds:
        connected = socket.create_connection(("127.0.0.1", port), 30)
        try:
            connected = context.wrap_socket(connected)
            made += 1
        except OSError:
            failed += 1
        quit_at_once(connected)
    text = f"absorbed; {failed} failed" if failed else "absorbed"
    return Outcome(False, text, made, 0, made + failed, time.monotonic() - began)


register("TLS handshakes", handshakes, tls=True)
crowd("TLS handshakes that stall", 1000, lambda _: HELLO, b"\0", 0.2, outcomes=(ENDED,), tls=True,
      settings=SHORT, patience=25, growth=1000 * STALLED_BYTES)


@flood("TLS: plain HTTP instead", link=BARE, outcomes=(ENDED,), tls=True)
def plain(link):
    while True:
        yield Burst(GET * 64, 64)


@flood("TLS: a handshake of garbage", link=BARE, outcomes=(ENDED,), tls=True)
def garbage(link):
    while True:
        yield Burst(b"\x16\x03\x01\x40\x00" + b"\xff" * 16384, 1)
