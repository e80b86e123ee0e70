"""One attacked connection: sends what an attack yields as fast as it is taken, notes the end."""

import collections
import re
import select
import socket
import struct
import time

from frames import LARGEST_WINDOW, PREFACE, FrameReader, settings, window_update

Burst = collections.namedtuple("Burst", "data units")
IDLE = Burst(b"", 0)
"""Yielded by an attack that has nothing to send now."""
LEAVE = Burst(None, 0)
"""Yielded by an attack that closes the connection."""
OPENING_WINDOW = window_update(0, LARGEST_WINDOW - 65535)
"""So that only streams' windows hold answers up."""


class Link:
    """A connection over HTTP/2 (after the preface and SETTINGS) or, with `http2=False`, bare."""

    def __init__(self, port, http2=True, own_settings=(), receive_buffer=None, preface=True):
        self.socket = socket.socket()
        self.port = port
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.reader = FrameReader() if http2 else None
        self.text = b""
        self.answers = 0
        self.opening = b""
        if http2 and preface:
            self.opening = PREFACE + settings(*own_settings) + OPENING_WINDOW
        self.began = time.monotonic()
        self.end = None
        self.ended_after = None
        self.units = 0
        self.bytes = 0
        self.last_write = self.began

    def run(self, feed, reads, deadline):
        """Until the connection ends or `deadline`; what is left in `feed` is not sent."""
        poll = select.poll()
        pending, units, exhausted = memoryview(self.opening), 0, False
        while self.end is None:
            now = time.monotonic()
            if now >= deadline:
                return
            if not pending and self.reader and self.reader.owed and reads:
                pending, self.reader.owed = memoryview(self.reader.owed), b""
            if not pending and not exhausted:
                burst = next(feed, None)
                if burst is LEAVE:
                    return
                exhausted = burst is None
                if burst:
                    pending, units = memoryview(burst.data), burst.units
            events = (select.POLLIN if reads else 0) | (select.POLLOUT if pending else 0)
            poll.register(self.socket, events)
            wait = 20 if not exhausted else 200
            for _, ready in poll.poll(min(wait, max(1, (deadline - now) * 1000))):
                if ready & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    self._receive()
                if ready & select.POLLOUT and pending and self.end is None:
                    pending = self._send(pending)
                    if not pending:
                        self.units += units
                        units = 0

    def _send(self, pending):
        try:
            count = self.socket.send(pending)
        except BlockingIOError:
            return pending
        except OSError:
            self._receive()
            self._ended("reset")
            return pending
        self.bytes += count
        self.last_write = time.monotonic()
        return pending[count:]

    def _receive(self):
        for _ in range(16):
            try:
                data = self.socket.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError:
                self._ended("reset")
                return
            if not data:
                self._ended("closed")
                return
            if self.reader:
                self.reader.receive(data)
            else:
                self.answers += data.count(b"HTTP/1.1 ")
                self.text = (self.text + data)[-4096:]

    def _ended(self, how):
        if self.end is not None:
            return
        self.ended_after = time.monotonic() - self.began
        last = None
        if self.reader:
            last = self.reader.goaway and f"GOAWAY {self.reader.goaway}"
        else:
            found = re.findall(rb"HTTP/1\.1 (\d\d\d)", self.text)
            last = found and found[-1].decode()
        self.end = f"{last}, {how}" if last else how

    def close(self):
        """Without a TIME_WAIT: thousands of connections would use up the ports."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
