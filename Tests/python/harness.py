"""The built service as a process, and plain clients for it, over the protocol that is tested.

POLYAK_PROTOCOL chooses it: h1 (HTTP/1.1, the default), h2 (HTTP/2), h1-tls or h2-tls.
"""

import collections
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import certificates
from models import encode
from wire import PATIENCE, UNTOLD, Request, Response, Wire
from wire2 import Wire2

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("POLYAK", ROOT / ".build" / "release" / "polyak"))
SAFETENSORS = "application/vnd.safetensors"
PROTOCOL = os.environ.get("POLYAK_PROTOCOL", "h1")
assert PROTOCOL in ("h1", "h2", "h1-tls", "h2-tls"), PROTOCOL
TLS, HTTP2 = PROTOCOL.endswith("-tls"), PROTOCOL.startswith("h2")
# The machine may stand still for many seconds between any two steps of a client. And a checkpoint
# between two looks at a session would change its `durable_revision`.
PATIENT = {"POLYAK_HEAD_TIMEOUT": "10m", "POLYAK_BODY_GRACE": "10m", "POLYAK_LEASE_WINDOW": "10m",
           "POLYAK_LINGER": "60s", "POLYAK_IDLE_TIMEOUT": "24h", "POLYAK_WRITE_TIMEOUT": "60m",
           "POLYAK_CHECKPOINT_INTERVAL": "24h"}
_names = itertools.count()


def new_name(beginning):
    """A session's name of which nothing can be left, not by a test's own first try either."""
    return f"{beginning}-{next(_names)}"


def inherited():
    """This process's environment without what the suite's own settings would mean to the service.
    """
    return {key: value for key, value in os.environ.items() if not key.startswith("POLYAK")}


class Service:
    """A running `polyak serve` on a port of the system's choice.

    It has a folder of its own, which goes with it, unless `data` and `runtime` are given.
    `wrapper` is a command that becomes the service. With `patient` its settings are such that time
    alone changes nothing, but for those that are given.
    """

    def __init__(self, *arguments, data=None, runtime=None, unix=False, environment=None,
                 wrapper=(), tls=TLS, patient=True):
        self.folder = tempfile.TemporaryDirectory(prefix="polyak-test-")
        own = pathlib.Path(self.folder.name)
        self.runtime = pathlib.Path(runtime or own / "runtime")
        self.runtime.mkdir(exist_ok=True)
        data = pathlib.Path(data or own / "data")
        data.mkdir(exist_ok=True)
        self.socket_path = str(own / "socket") if unix else None
        listeners = ["--listen", "127.0.0.1:0"]
        if unix:
            listeners += ["--listen", f"unix:{self.socket_path}"]
        if tls:
            certificate, key = certificates.shared()
            listeners += ["--listen", "https://127.0.0.1:0", "--tls-certificate",
                          str(certificate), "--tls-key", str(key)]
        command = [*wrapper, str(BINARY), "serve", *listeners, "--runtime-directory", str(self.runtime),
                   "--data-directory", str(data)]
        environment = inherited() | (PATIENT if patient else {}) | (environment or {})
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=environment)
        self.lines, self._ready = [], threading.Event()
        self.port = self.tls_port = None
        self.discarded = False
        self._reader = threading.Thread(target=self._read, args=(1 + unix + tls,), daemon=True)
        self._reader.start()
        ready = self._ready.wait(PATIENCE)
        if not ready or self.port is None:
            self.process.kill()
            self.process.wait()
            self.discard()
            raise AssertionError(f"the service did not start: {''.join(self.lines)}")

    def _read(self, listeners):
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"listening on (?:http(s?)://127\.0\.0\.1:(\d+)|unix:)", line)
            if found:
                listeners -= 1
                if found[1]:
                    self.tls_port = int(found[2])
                elif found[2]:
                    self.port = int(found[2])
                if listeners == 0:
                    self._ready.set()
        self._ready.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"https://localhost:{self.tls_port}"

    def connect(self, unix=False, tls=TLS):
        """A connected socket; over TLS if that is tested, but for a Unix socket."""
        tls = tls and not unix
        connected = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        connected.settimeout(PATIENCE)
        connected.connect(self.socket_path if unix else
                          ("127.0.0.1", self.tls_port if tls else self.port))
        if not unix:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            return certificates.over_tls(connected, certificates.shared()[0],
                                         "h2" if HTTP2 else "http/1.1")
        return connected

    def client(self, unix=False):
        return (Client2 if HTTP2 else Client1)(self, unix)

    def wire(self, unix=False):
        """A bare connection of the protocol that is tested."""
        return (Wire2 if HTTP2 else Wire)(self.connect(unix))

    def raw(self, unix=False):
        """A bare HTTP/1.1 connection, whatever is tested."""
        return Wire(self.connect(unix, tls=False))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self, slots=True):
        """Bytes of memory that the process has allocated, and with `slots` those it maps.

        Not the program's text: its proportional share grows when another process that runs the
        same program ends.
        """
        own = f"{os.path.realpath(self.runtime)}/"
        total, counts = 0, False
        for line in pathlib.Path(f"/proc/{self.process.pid}/smaps").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024 if counts else 0
            elif re.match("[0-9a-f]+-", line):
                _, _, _, _, inode, *path = line.split(maxsplit=5)
                counts = inode == "0" or slots and path[0].startswith(own)
        return total

    def runtime_bytes(self):
        total = 0
        for folder, _, files in os.walk(self.runtime):
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
        return total

    def stop(self):
        """Ends the service as an operator would; it must leave with 0 and without complaint."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("SIGTERM did not end the service") from None
        finally:
            self.discard()
        assert status == 0, f"the service left with {status}: {''.join(self.lines[-20:])}"
        self.check_log()

    def discard(self):
        """Clears up after a process that has ended."""
        self._reader.join(PATIENCE)
        self.process.stderr.close()
        self.folder.cleanup()
        self.discarded = True

    def check_log(self):
        bad = [line for line in self.lines
               if re.match(r"\S+ (error|critical) ", line)]
        assert not bad, f"logged as errors: {bad[:5]}"


class Client:
    """One connection that is kept. How a request is sent is the protocol's own affair."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, path, body=None, headers=None, chunked=False, **query):
        """`body`: JSON as a dict or list, text, bytes, or with `chunked` an iterable of bytes."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), {"Content-Type": "application/json",
                                               **(headers or {})}
        return self.exchange(method, path, body, headers or {}, chunked)

    def get(self, path, headers=None, **query):
        return self.request("GET", path, None, headers, **query)

    def session(self, settings, name=None):
        return Session(self, settings, name)


class Client1(Client):
    """HTTP/1.1 by Python's own library."""

    def __init__(self, service, unix=False):
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
        if unix or TLS:
            self.connection.sock = service.connect(unix)

    def exchange(self, method, path, body, headers, chunked):
        if self.connection.sock is None:
            self.connection.connect()
        # An answer that came before the body's end is there to be read, though sending failed.
        with contextlib.suppress(ConnectionError):
            self.connection.request(method, path, body, headers, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())

    @property
    def socket(self):
        return self.connection.sock

    def close(self):
        self.connection.close()


class Client2(Client):
    """HTTP/2 by the library h2, one request at a time."""

    def __init__(self, service, unix=False):
        # As browsers and trainers do that read one answer at a time.
        self.wire = Wire2(service.connect(unix), window=1 << 24)
        self.wire.start()

    def exchange(self, method, path, body, headers, chunked):
        fields = [f"{name}: {value}" for name, value in headers.items()]
        if chunked:
            self.wire.open(Request(method, path, b"", *fields, length=UNTOLD))
            for piece in body:
                self.wire.more(piece)
            self.wire.end()
        else:
            body = body.encode("latin-1") if isinstance(body, str) else body or b""
            self.wire.open(Request(method, path, b"", *fields, length=len(body) or None))
            if body:
                self.wire.more(body)
        return self.wire.answer()

    @property
    def socket(self):
        return self.wire.socket

    def close(self):
        self.wire.close()


class Session:
    """A session on the service, made anew; `with` deletes it at the end."""

    def __init__(self, client, settings, name=None):
        self.client, self.settings = client, settings
        self.name = name or new_name("s")
        self.path = f"/v1/sessions/{self.name}"
        answer = client.request("PUT", self.path, settings)
        assert answer.status == 201, answer
        self.created = answer

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        answer = self.client.request("DELETE", self.path)
        assert kind or answer.status == 204, answer

    def upload(self, model, headers=None, **query):
        body = model if isinstance(model, (bytes, bytearray)) else encode(model)
        headers = {"Content-Type": SAFETENSORS, **(headers or {})}
        return self.client.request("POST", f"{self.path}/parameters", body, headers, **query)

    def fold(self, model, **query):
        """Uploads a model that must be taken; the answer."""
        answer = self.upload(model, **query)
        assert answer.status == 200, answer
        return answer.json()

    def report(self, loss, epoch):
        return self.client.request("POST", f"{self.path}/epochs", {"loss": loss, "epoch": epoch})

    def average(self, name="main", headers=None, **query):
        return self.client.get(f"{self.path}/averages/{name}", headers, **query)

    def state(self):
        answer = self.client.get(self.path)
        assert answer.status == 200, answer
        return answer.json()


def request_bytes(method, path, body=b"", *fields, length=None):
    """A request as HTTP/1.1's bytes."""
    return bytes(Request(method, path, body, *fields, length=length))


def upload_to(path, body, *fields, length=None):
    return Request("POST", f"{path}/parameters", body, f"Content-Type: {SAFETENSORS}", *fields,
                   length=length)


def upload_bytes(path, body, *fields, length=None):
    return bytes(upload_to(path, body, *fields, length=length))


def wait_until_read(connected):
    """Waits until the service has read everything that was sent over a TCP connection."""
    own, other = connected.getsockname()[1], connected.getpeername()[1]

    def is_read():
        found = tcp_connections()
        ours, its = found.get((own, other)), found.get((other, own))
        return ours and its and ours.unsent == its.unread == 0

    # The kernel shows one side after the other: what came between the two is unread the next time.
    eventually(lambda: is_read() and is_read(), "what was sent is not read")


TCPConnection = collections.namedtuple("TCPConnection", "state unsent unread")
ESTABLISHED, CLOSE_WAIT = 1, 8


def tcp_connections():
    """What the kernel knows of IPv4's, by the local and the remote port."""
    found = {}
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queued = line.split()[:5]
        ports = tuple(int(each.split(":")[1], 16) for each in (local, remote))
        found[ports] = TCPConnection(*(int(each, 16) for each in (state, *queued.split(":"))))
    return found


def unless_late(seconds, act):
    """The result of `act`. It is done again when it failed after more than so many seconds: the
    service may have been right to give up, because this process had no time."""
    for attempt in range(3):
        began = time.monotonic()
        try:
            return act()
        except (AssertionError, OSError, EOFError):
            if time.monotonic() - began < seconds or attempt == 2:
                raise


def eventually(condition, message, seconds=PATIENCE):
    """Waits until `condition()` is true; for what the service finishes after its answer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message() if callable(message) else message
        time.sleep(0.02)
