"""The built service as a process, and plain clients for it: http.client, and bare sockets."""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse

from models import decode, encode

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("POLYAK", ROOT / ".build" / "release" / "polyak"))
SAFETENSORS = "application/vnd.safetensors"
PATIENCE = 30
_names = itertools.count()


class Service:
    """A running `polyak serve` on a port of the system's choice.

    It has a folder of its own, which goes with it, unless `data` and `runtime` are given.
    `wrapper` is a command that becomes the service.
    """

    def __init__(self, *arguments, data=None, runtime=None, unix=False, environment=None,
                 wrapper=()):
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
        command = [*wrapper, str(BINARY), "serve", *listeners, "--runtime-directory", str(self.runtime),
                   "--data-directory", str(data)]
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("POLYAK")} | (environment or {})
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=environment)
        self.lines, self.port, self._ready = [], None, threading.Event()
        self.discarded = False
        self._reader = threading.Thread(target=self._read, args=(1 + unix,), daemon=True)
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
            found = re.search(r"listening on (?:http://127\.0\.0\.1:(\d+)|unix:)", line)
            if found:
                listeners -= 1
                self.port = int(found[1]) if found[1] else self.port
                if listeners == 0:
                    self._ready.set()
        self._ready.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self):
        return Client(self.port)

    def raw(self):
        return Raw(self.port)

    def raw_unix(self):
        return Raw(unix=self.socket_path)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        """The process's proportional share of memory in bytes, the slots it maps included."""
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) * 1024

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


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __getitem__(self, field):
        return self.headers.get(field)

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:400]!r}>"

    def model(self):
        assert self.status == 200, self
        return decode(self.body)[0]

    def problem(self, status, name):
        """The members of an RFC 9457 problem; fails unless it is this one and complete."""
        assert self.status == status, self
        assert self["Content-Type"] == "application/problem+json", self
        problem = self.json()
        assert problem["type"] == f"/problems/{name}", self
        assert problem["status"] == status and problem["title"] and problem["detail"], self
        return problem


class Client:
    """One keep-alive connection."""

    def __init__(self, port, unix=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        if unix:
            self.connection.sock = socket.socket(socket.AF_UNIX)
            self.connection.sock.connect(unix)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def request(self, method, path, body=None, headers=None, chunked=False, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), {"Content-Type": "application/json",
                                               **(headers or {})}
        self.connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())

    def get(self, path, headers=None, **query):
        return self.request("GET", path, None, headers, **query)

    def session(self, settings, name=None):
        return Session(self, settings, name)


class Session:
    """A session on the service, made anew; `with` deletes it at the end."""

    def __init__(self, client, settings, name=None):
        self.client, self.settings = client, settings
        self.name = name or f"s{next(_names)}"
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


class Raw:
    """A bare connection: sends what it is told and reads answers one by one."""

    def __init__(self, port=None, unix=None):
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(unix or ("127.0.0.1", port))
        if not unix:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def finish(self):
        """No more from this side (FIN); answers can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        received = self.socket.recv(1 << 18)
        self.buffer += received
        return received

    def head(self):
        """The next answer's status and fields; its body is left."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                raise EOFError(f"closed after {self.buffer!r}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        line, *fields = head.decode("latin-1").split("\r\n")
        assert line.startswith("HTTP/1.1 "), line
        message = http.client.HTTPMessage()
        for field in fields:
            name, _, value = field.partition(":")
            message[name] = value.strip()
        return int(line.split(" ")[1]), message

    def answer(self, method="GET"):
        """The next answer with its body, which must have a length."""
        status, fields = self.head()
        empty = method == "HEAD" or status < 200 or status in (204, 304)
        return Response(status, fields, self.body(0 if empty else int(fields["Content-Length"])))

    def body(self, length):
        pieces, missing = [self.buffer], length - len(self.buffer)
        while missing > 0:
            self.buffer = b""
            piece = self._more()
            if not piece:
                raise EOFError(f"closed {missing} bytes early")
            pieces.append(piece)
            missing -= len(piece)
        whole = b"".join(pieces)
        self.buffer = whole[length:]
        return whole[:length]

    def rest(self):
        """Everything until the other side closes; a reset fails."""
        while self._more():
            pass
        rest, self.buffer = self.buffer, b""
        return rest

    def ask(self, data, method="GET"):
        self.send(data)
        return self.answer(method)


def request_bytes(method, path, body=b"", *fields, length=None):
    """A request with `Host`, the given fields, and a Content-Length if it has a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: polyak.test", *fields]
    if body or length is not None or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def upload_bytes(path, body, *fields, length=None):
    return request_bytes("POST", f"{path}/parameters", body, f"Content-Type: {SAFETENSORS}",
                         *fields, length=length)


def eventually(condition, message, seconds=10):
    """Waits until `condition()` is true; for what the service finishes after its answer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message() if callable(message) else message
        time.sleep(0.02)
