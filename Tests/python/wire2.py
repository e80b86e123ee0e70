"""HTTP/2 connections over the library h2, which also checks every frame that the service sends."""

import collections
import contextlib
import http.client
import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.events
import h2.settings

from wire import UNTOLD, Request, Response, finish, receive_at_once, without_body

# What the service may send of one answer before it is read: less than any model that a test
# lets a reader stall on.
WINDOW = 1 << 20
LARGEST_FRAME = 1 << 20
NO_ERROR, CANCEL = 0, 8


class StreamReset(ConnectionResetError):
    def __init__(self, code):
        super().__init__(f"the stream was reset with {code}")
        self.code = code


class NothingAllowed(Exception):
    """As much was sent as was asked for."""


class Connection(h2.connection.H2Connection):
    """Streams go on after GOAWAY (RFC 9113 section 6.8), which the library takes for the end."""

    def _receive_goaway_frame(self, frame):
        event = h2.events.ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        event.additional_data = frame.additional_data or None
        return [], [event]


class Stream:
    """What has come of one answer."""

    def __init__(self, id, request):
        self.id, self.method, self.missing = id, request.method, request.missing
        self.is_sent = False
        self.heads, self.pieces = collections.deque(), collections.deque()
        self.buffered = 0
        self.is_complete = self.gave_head = False
        self.code = None


class Wire2:
    """One HTTP/2 connection of one thread: `wire.Wire`'s methods over frames.

    Each request is a stream of its own; answers are read in the order in which they were asked.
    """

    scheme = b"http"

    def __init__(self, connected, window=WINDOW):
        self.socket = connected
        # As they are given, so that tests can send what is wrong.
        config = h2.config.H2Configuration(
            header_encoding=False, validate_outbound_headers=False,
            normalize_outbound_headers=False)
        self.protocol = Connection(config)
        codes = h2.settings.SettingCodes
        self.protocol.local_settings = h2.settings.Settings(client=True, initial_values={
            codes.INITIAL_WINDOW_SIZE: window, codes.MAX_FRAME_SIZE: LARGEST_FRAME,
            codes.ENABLE_PUSH: 0, codes.MAX_CONCURRENT_STREAMS: 100,
            codes.MAX_HEADER_LIST_SIZE: 1 << 16})
        self.protocol.max_inbound_frame_size = LARGEST_FRAME
        self.streams, self.waiting = {}, collections.deque()
        self.last = self.answered = self.goodbye = None
        self.is_closed = self.is_finished = False
        self._begun, self._allowed = False, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Requests

    def start(self):
        """Sends the preface; otherwise it comes with the first request."""
        self._begin()
        self._flush()

    def open(self, request):
        self._begin()
        self._open(request)
        self._flush()

    def open_share(self, request, share):
        body = request.body
        head = self.encoded(Request(request.method, request.path, b"", *request.fields,
                                    length=request.length))
        # The body takes one frame at least, so this is never all of it.
        self._allowed = None if share == 1 else int((len(head) + 9 + len(body)) * share)
        with contextlib.suppress(NothingAllowed):
            self._send_allowed(head)
            self.more(body)

    def encoded(self, request, *pieces):
        self._begin()
        self._open(request)
        for piece in pieces:
            self._put(self.last, piece, False)
        if pieces:
            self._put(self.last, b"", True)
        return self.protocol.data_to_send()

    def _begin(self):
        if not self._begun:
            self._begun = True
            self.protocol.initiate_connection()
            self.protocol.increment_flow_control_window(WINDOW)

    def _open(self, request):
        if self.goodbye:
            raise ConnectionError(f"the service has said GOAWAY {self.goodbye}")
        number = self.protocol.get_next_available_stream_id()
        fields = [(b":method", request.method.encode()), (b":scheme", self.scheme),
                  (b":authority", b"polyak.test"), (b":path", request.path.encode("latin-1"))]
        for field in request.fields:
            name, _, value = field.partition(":")
            fields.append((name.lower().encode(), value.strip().encode("latin-1")))
        if request.length not in (None, UNTOLD):
            fields.append((b"content-length", b"%d" % request.length))
        self.last = self.streams[number] = Stream(number, request)
        self.waiting.append(self.last)
        self.last.is_sent = request.missing == 0 and not request.body
        self.protocol.send_headers(number, fields, end_stream=self.last.is_sent)
        if request.body:
            self._put(self.last, request.body, request.missing == 0)

    def more(self, data):
        stream = self.last
        if stream.missing is not None:
            stream.missing -= len(data)
        self._put(stream, data, stream.missing == 0)
        self._flush()

    def end(self):
        self._put(self.last, b"", True)
        self._flush()

    def _put(self, stream, data, is_last):
        """Sends as much as the windows let, until nothing is left or nothing more is wanted."""
        data = memoryview(data)
        while stream.code is None:
            room = min(self.protocol.local_flow_control_window(stream.id),
                       self.protocol.max_outbound_frame_size)
            if data and room <= 0:
                self._flush()
                self._receive()
                self._check_connection(stream)
                continue
            piece, data = data[:room], data[room:]
            stream.is_sent = is_last and not data
            self.protocol.send_data(stream.id, bytes(piece), end_stream=stream.is_sent)
            if not data:
                return
            self._flush()
            self._receive_what_is_there()
        # RFC 9113 section 8.1: with NO_ERROR the service has answered and wants no more.
        if stream.code != NO_ERROR:
            raise StreamReset(stream.code)

    def ask(self, request):
        self.open(request)
        return self.answer()

    def complete(self, data):
        self.more(data)
        return self.answer()

    def send(self, data):
        self.socket.sendall(data)

    def _flush(self):
        data = self.protocol.data_to_send()
        if data and not self.is_finished:
            self._send_allowed(data)

    def _acknowledge(self):
        """Sends what the protocol owes for frames that have come. The service may have ended the
        connection after them: what it said before is there to be read all the same."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self._flush()

    def _send_allowed(self, data):
        if self._allowed is not None:
            data = data[:self._allowed]
            self._allowed -= len(data)
        self.socket.sendall(data)
        if self._allowed == 0:
            raise NothingAllowed

    # Endings

    def close(self):
        self.socket.close()

    def finish(self):
        self.is_finished = True
        finish(self.socket)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def cancel(self):
        self.protocol.reset_stream(self.last.id, CANCEL)
        self.waiting.remove(self.last)
        self._flush()

    @property
    def is_answered(self):
        self._receive_what_is_there()
        return bool(self.last.heads)

    @property
    def is_dropped(self):
        """Whether the last request's stream was reset, or the connection."""
        with contextlib.suppress(ConnectionError):
            self._receive_what_is_there()
            return self.last.code is not None or self.is_closed
        return True

    def assert_turned_away(self, answer):
        """RFC 9113 section 8.1: RST_STREAM with NO_ERROR after a whole answer."""
        assert answer["Connection"] is None, answer
        stream = self.answered
        while stream.code is None and not stream.is_sent:
            self._receive()
        assert stream.is_sent or stream.code == NO_ERROR, stream.code
        assert self.ask(Request("GET", "/livez")).status == 200

    def assert_goes_on(self, answer=None):
        assert answer is None or answer["Connection"] is None, answer
        assert self.ask(Request("GET", "/livez")).status == 200

    def rest(self):
        """Bytes of answers that come until the other side closes the connection in order."""
        while not self.is_closed:
            self._receive()
        assert self.goodbye is None or self.goodbye[0] == NO_ERROR, self.goodbye
        return b"".join(piece for stream in self.waiting for piece, _ in stream.pieces)

    def assert_ends_without_success(self):
        while not self.is_closed:
            self._receive()
        said = [status for stream in self.waiting for status, _ in stream.heads]
        assert all(status == 400 for status in said), said

    # Answers

    def head(self):
        stream = self._next()
        self._acknowledge()
        while not stream.heads:
            self._check(stream)
            self._receive()
        status, fields = stream.heads.popleft()
        stream.gave_head = status >= 200
        return status, fields

    def answer(self):
        while True:
            status, fields = self.head()
            if status >= 200:
                break
        stream = self.waiting[0]
        pieces = []
        while not (stream.is_complete and not stream.pieces):
            pieces.append(self._piece(stream))
        body = b"".join(pieces)
        length = fields.get("Content-Length")
        if length is not None and not without_body(stream.method, status):
            assert len(body) == int(length), (len(body), length)
        self.waiting.popleft()
        if stream.is_sent:
            del self.streams[stream.id]
        # Settings are acknowledged and the windows are opened now, not with the next request.
        self._acknowledge()
        self.answered = stream
        return Response(status, fields, body)

    def body(self, length):
        stream, pieces, missing = self.waiting[0], [], length
        while missing > 0:
            piece = self._piece(stream, missing)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _next(self):
        """The first stream whose answer was not read to its end."""
        while True:
            stream = self.waiting[0]
            if not (stream.gave_head and stream.is_complete and not stream.pieces):
                return stream
            self.waiting.popleft()

    def _piece(self, stream, most=1 << 62):
        """Bytes of the body, for which the window is given back; none only at its end."""
        while not stream.pieces:
            if stream.is_complete:
                if most < 1 << 62:
                    raise EOFError(f"ended {most} bytes early")
                return b""
            self._check(stream)
            self._receive()
        data, charged = stream.pieces.popleft()
        if len(data) > most:
            stream.pieces.appendleft((data[most:], charged - most))
            data, charged = data[:most], most
        stream.buffered -= len(data)
        if charged:
            self.protocol.acknowledge_received_data(charged, stream.id)
            self._acknowledge()
        return data

    def _check(self, stream):
        if stream.code is not None:
            raise StreamReset(stream.code)
        self._check_connection(stream)

    def _check_connection(self, stream):
        if self.is_closed:
            raise ConnectionError(f"the service closed the connection, GOAWAY {self.goodbye}")
        if self.goodbye and stream.id > self.goodbye[1]:
            raise ConnectionError(f"not taken before GOAWAY {self.goodbye}")

    # Frames

    def _receive(self):
        self._read(self.socket.recv(1 << 18))

    def _read(self, data):
        if not data:
            self.is_closed = True
            return
        for event in self.protocol.receive_data(data):
            self._take(event)
        self._acknowledge()

    def _receive_what_is_there(self):
        while not self.is_closed and (data := receive_at_once(self.socket)) is not None:
            self._read(data)

    def _take(self, event):
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goodbye = (int(event.error_code), event.last_stream_id, event.additional_data)
            return
        stream = self.streams.get(getattr(event, "stream_id", None))
        if stream is None:
            return
        if isinstance(event, (h2.events.ResponseReceived, h2.events.InformationalResponseReceived)):
            stream.heads.append(head_of(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            stream.pieces.append((event.data, event.flow_controlled_length))
            stream.buffered += len(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            stream.is_complete = True
        elif isinstance(event, h2.events.StreamReset):
            stream.code = int(event.error_code)


def head_of(headers):
    message = http.client.HTTPMessage()
    status = None
    for name, value in headers:
        if name == b":status":
            status = int(value)
        else:
            message[name.decode("latin-1")] = value.decode("latin-1")
    # RFC 9113 section 8.2.2: fields of the connection do not exist here.
    for field in ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"):
        assert field not in message, message.items()
    return status, message
