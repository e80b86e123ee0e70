"""Attacks by many connections that do next to nothing: `crowd(name, …)`."""

import collections
import resource
import select
import socket
import struct
import time

from attack import ENDED, LATEST, Outcome, register

AT_ONCE = 200
"""Connections that are being made at the same time: fewer than a listener's backlog."""
SOURCES = 4
"""Addresses that connections come from: each has 28,000 ports."""


def crowd(name, count, opening, drip=None, interval=1.0, receive=None, buffer=None, long_count=None,
          **options):
    """Registers an attack by `count` connections, replaced when the service ends them.

    opening: what the n-th sends at first, given n; drip: what each sends every `interval` seconds
    after that; receive: so many bytes are read every interval instead of all that come;
    buffer: of the socket, for those that read slowly. The long form has `long_count` of them.
    """
    patience = LATEST if options.get("outcomes") == (ENDED,) else 0

    def run(port, seconds):
        many = long_count if long_count and seconds >= 10 else count
        return Crowd(port, many, opening, drip, interval, receive, buffer).run(seconds, patience)
    register(name, run, **options)


class Member:
    __slots__ = ("socket", "began", "pending", "generation", "next_drip", "text", "dripped")

    def __init__(self, made, pending, generation, now):
        self.socket, self.pending, self.generation = made, pending, generation
        self.began, self.next_drip, self.text, self.dripped = now, None, b"", 0


class Crowd:
    def __init__(self, port, count, opening, drip, interval, receive, buffer):
        self.port, self.count, self.opening, self.drip = port, count, opening, drip
        self.interval, self.receive_limit, self.buffer = interval, receive, buffer
        self.epoll = select.epoll()
        self.members = {}
        self.connecting = 0
        self.made = 0
        self.left = count
        """Of the first `count`, those that are not ended."""
        self.units = self.bytes = 0
        self.ends = collections.Counter()
        self.took = []
        self.due = collections.deque()
        """Members with the time of their next drip, in order: the interval is the same for all."""

    def run(self, seconds, patience=0):
        """`patience`: seconds that it may take until the first have all ended, if that is more."""
        allow_descriptors(self.count + 100)
        began = time.monotonic()
        deadline, latest = began + seconds, began + patience
        while (now := time.monotonic()) < deadline or now < latest and self.left:
            while self.connecting < AT_ONCE and len(self.members) < self.count:
                self._connect(now)
            for number, events in self.epoll.poll(0.02, 1000):
                if number in self.members:
                    self._ready(self.members[number], events)
            self._drip(time.monotonic())
        text, ended = self._describe()
        for member in self.members.values():
            quit_at_once(member.socket)
        return Outcome(ended, text, self.units, self.bytes, self.made,
                       time.monotonic() - began)

    def _describe(self):
        text = f"{self.count - self.left:,} of the first {self.count:,} ended"
        if self.took:
            text += f" after {self.took[len(self.took) // 2]:.1f} to {max(self.took):.1f} s"
        for how, count in self.ends.most_common(2):
            text += f"; {count:,} × {how}"
        return text, self.left == 0

    def _connect(self, now):
        made = socket.socket()
        made.setblocking(False)
        if self.buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        made.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        made.bind((f"127.0.0.{1 + self.made % SOURCES}", 0))
        made.connect_ex(("127.0.0.1", self.port))
        member = Member(made, self.opening(self.made), self.made >= self.count, now)
        self.made += 1
        self.connecting += 1
        self.members[made.fileno()] = member
        self.epoll.register(made, select.EPOLLOUT | select.EPOLLIN)

    def _ready(self, member, events):
        if events & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP):
            self._receive(member)
        if events & select.EPOLLOUT and member.socket.fileno() >= 0:
            self._send(member)

    def _send(self, member):
        if member.next_drip is None:
            self.connecting -= 1
            member.next_drip = time.monotonic() + self.interval
            self.due.append(member)
            slow = self.receive_limit is not None
            self.epoll.modify(member.socket, 0 if slow else select.EPOLLIN)
        if not member.pending:
            return
        try:
            count = member.socket.send(member.pending)
        except BlockingIOError:
            return
        except OSError:
            self._receive(member)
            return
        self.bytes += count
        self.units += 1
        member.pending = b""

    def _drip(self, now):
        while self.due and self.due[0].next_drip <= now:
            member = self.due.popleft()
            if member.socket.fileno() < 0:
                continue
            if self.drip:
                member.pending = self.drip
                self._send(member)
            if self.receive_limit:
                self._receive(member, self.receive_limit)
            member.next_drip = now + self.interval
            self.due.append(member)

    def _receive(self, member, limit=65536):
        try:
            data = member.socket.recv(limit)
        except BlockingIOError:
            return
        except OSError:
            self._end(member, "reset")
            return
        if data:
            member.text = (member.text + data)[:256]
        else:
            self._end(member, "closed")

    def _end(self, member, how):
        if member.socket.fileno() < 0:
            return
        if member.next_drip is None:
            self.connecting -= 1
        if member.text.startswith(b"HTTP/1.1 "):
            how = f"{member.text[9:12].decode()}, {how}"
        self.ends[how] += 1
        if member.generation == 0:
            self.left -= 1
            self.took.append(time.monotonic() - member.began)
        del self.members[member.socket.fileno()]
        quit_at_once(member.socket)


def quit_at_once(made):
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
