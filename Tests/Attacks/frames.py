"""HTTP/2 frames as bytes, the forbidden ones included (RFC 9113), and a reader of what comes back.

Libraries for HTTP/2 refuse to make most of what an attacker sends, so frames are made by hand.
"""

import collections
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM, END_HEADERS, PADDED, ACK = 0x1, 0x4, 0x8, 0x1
HEADER_TABLE_SIZE, MAX_STREAMS, INITIAL_WINDOW = 1, 3, 4
CANCEL = 8
LARGEST_WINDOW = 2**31 - 1
ERRORS = ("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR",
          "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL",
          "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY",
          "HTTP_1_1_REQUIRED")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def literal(name, value):
    """A header field that enters no table, so that a block can be sent again and again."""
    return b"\0" + _string(name) + _string(value)


def _string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return hpack.hpack.encode_integer(len(data), 7) + data


def request(path="/livez", method="GET", **fields):
    """The header block of a request; it depends on no table and changes none."""
    block = literal(":method", method) + literal(":scheme", "http") + literal(":path", path)
    block += literal(":authority", "polyak.test")
    return block + b"".join(literal(name.replace("_", "-"), value)
                            for name, value in fields.items())


class FrameReader:
    """Counts what the server sends; `on_settings`, `on_ping` say what must be answered."""

    def __init__(self):
        self.buffer = b""
        self.frames = collections.Counter()
        self.resets = collections.Counter()
        self.finished = 0
        self.goaway = None
        self.max_streams = None
        self.owed = b""

    def receive(self, data):
        buffer, at = self.buffer + data if self.buffer else data, 0
        while at + 9 <= len(buffer):
            head, flags, stream = struct.unpack_from(">IBI", buffer, at)
            length, kind = head >> 8, head & 255
            if at + 9 + length > len(buffer):
                break
            self._take(kind, flags, buffer, at + 9, length)
            at += 9 + length
        self.buffer = buffer[at:]

    def _take(self, kind, flags, buffer, at, length):
        self.frames[kind] += 1
        if kind in (DATA, HEADERS):
            self.finished += flags & END_STREAM
        elif kind == RST_STREAM:
            self.resets[_name(buffer, at)] += 1
        elif kind == GOAWAY:
            self.goaway = _name(buffer, at + 4)
        elif kind == SETTINGS and not flags & ACK:
            for entry in range(at, at + length, 6):
                key, value = struct.unpack_from(">HI", buffer, entry)
                if key == MAX_STREAMS:
                    self.max_streams = value
            self.owed += frame(SETTINGS, ACK)


def _name(buffer, at):
    code = struct.unpack_from(">I", buffer, at)[0]
    return ERRORS[code] if code < len(ERRORS) else hex(code)
