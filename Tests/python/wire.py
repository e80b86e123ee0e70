"""Requests as values, and a bare HTTP/1.1 connection that sends them, or any bytes, one by one.

wire2.py has the same for HTTP/2. Tests that use only what both have run over both protocols.
"""

import http.client
import json
import select
import socket
import ssl
import struct

from models import decode

PATIENCE = 180
"""Seconds after which a wait has failed, on a machine that is busy with other things."""
# A body whose length is not told in the head: chunked, in HTTP/1.1.
UNTOLD = object()


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


def without_body(method, status):
    return method == "HEAD" or status < 200 or status in (204, 304)


class Request:
    """A request, `fields` as "Name: value"; `body` may be the beginning of `length` bytes only."""

    def __init__(self, method, path, body=b"", *fields, length=None):
        self.method, self.path, self.body, self.fields = method, path, body, fields
        if length is None and (body or method in ("POST", "PUT")):
            length = len(body)
        self.length = length

    @property
    def missing(self):
        """Bytes of the body still to be sent after this; None if nobody knows."""
        return None if self.length is UNTOLD else (self.length or 0) - len(self.body)

    def __bytes__(self):
        """As HTTP/1.1."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: polyak.test", *self.fields]
        body = self.body
        if self.length is UNTOLD:
            lines.append("Transfer-Encoding: chunked")
            body = chunk(body)
        elif self.length is not None:
            lines.append(f"Content-Length: {self.length}")
        return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def finish(connected):
    """FIN. A TLS connection's own method would take the rest for text that is not encrypted."""
    socket.socket.shutdown(connected, socket.SHUT_WR)


def receive_at_once(connected):
    """Bytes that have come, none at their end; None where nothing has come but TLS's own records.
    """
    patience = connected.gettimeout()
    connected.settimeout(0)
    try:
        return connected.recv(1 << 18)
    except (BlockingIOError, ssl.SSLWantReadError):
        return None
    finally:
        connected.settimeout(patience)


class Wire:
    """One HTTP/1.1 connection: sends what it is told and reads answers one by one."""

    def __init__(self, connected):
        self.socket = connected
        self.buffer = b""
        self._chunked, self._methods = False, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What HTTP/2 has too

    def open(self, request):
        """Sends a request, or its beginning: `more` and `end` send the rest."""
        self._chunked = request.length is UNTOLD
        self._methods.append(request.method)
        self.send(bytes(request))

    def more(self, data):
        """More of the body; it ends with its last byte, if the length was told."""
        self.send(chunk(data) if self._chunked else data)

    def end(self):
        """The end of a body whose length was not told."""
        self.send(b"0\r\n\r\n")

    def ask(self, request, method=None):
        """Sends a request, or these bytes; the answer."""
        self.send(request) if isinstance(request, bytes) else self.open(request)
        return self.answer(method)

    def complete(self, data):
        """Sends the rest of a body; the answer."""
        self.more(data)
        return self.answer()

    def open_share(self, request, share):
        """Sends the beginning of a request, this share of its bytes; all of it with 1."""
        encoded = bytes(request)
        self.send(encoded[:int(len(encoded) * share)])

    def encoded(self, request, *pieces):
        """What a new connection sends for a request, and for the pieces of a body then."""
        end = b"0\r\n\r\n" if pieces else b""
        return bytes(request) + b"".join(map(chunk, pieces)) + end

    def send(self, data):
        """Sends these bytes, whatever they mean."""
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def finish(self):
        """No more from this side (FIN); answers can still be read."""
        finish(self.socket)

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def cancel(self):
        """Gives the request up, as a client does that wants nothing of it any more."""
        self.close()

    @property
    def is_answered(self):
        if not self.buffer:
            received = receive_at_once(self.socket)
            self.buffer = received or b""
            return received is not None
        return True

    @property
    def is_dropped(self):
        """Whether the connection was reset, whatever still lies in its buffer."""
        poll = select.poll()
        poll.register(self.socket, 0)
        return bool(poll.poll(0))

    def assert_turned_away(self, answer):
        """The answer came before the body, which is not wanted any more."""
        assert answer["Connection"] == "close", answer
        self.finish()
        assert self.rest() == b""

    def assert_goes_on(self, answer=None):
        """The connection is as good as before this answer."""
        assert answer is None or answer["Connection"] != "close", answer
        assert self.ask(Request("GET", "/livez")).status == 200

    def assert_ends_without_success(self):
        said = self.rest()
        assert not said or said.startswith(b"HTTP/1.1 400"), said

    def head(self):
        """The next answer's status and fields, 1xx too; its body is left."""
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

    def answer(self, method=None):
        """The next answer with its body, which must have a length or come in chunks."""
        asked = self._methods.pop(0) if self._methods else "GET"
        status, fields = self.head()
        if without_body(method or asked, status):
            return Response(status, fields, b"")
        if fields["Transfer-Encoding"] == "chunked":
            return Response(status, fields, b"".join(iter(self._chunk, b"")))
        return Response(status, fields, self.body(int(fields["Content-Length"])))

    def _chunk(self):
        """The next chunk's data; the last chunk is empty."""
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise EOFError("closed inside a chunk")
        size, self.buffer = self.buffer.split(b"\r\n", 1)
        data = self.body(int(size, 16) + 2)
        assert data.endswith(b"\r\n"), data[-20:]
        return data[:-2]

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

    # HTTP/1.1 only

    def _more(self):
        received = self.socket.recv(1 << 18)
        self.buffer += received
        return received

    def rest(self):
        """Everything until the other side closes; a reset fails."""
        while self._more():
            pass
        rest, self.buffer = self.buffer, b""
        return rest
