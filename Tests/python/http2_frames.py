"""HTTP/2 frames over a bare socket: nothing is checked or kept, so that anything can be sent."""

import typing

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# RFC 9113 section 6.
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

# RFC 9113 section 6.5.2.
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)

# RFC 9113 section 7.
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR,
 ENHANCE_YOUR_CALM) = range(12)

LARGEST_WINDOW = 2**31 - 1


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """Any frame; `length` is what its head says if that is not the payload's."""
    length = len(payload) if length is None else length
    return (length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)


def data(stream, content=b"", flags=0):
    return frame(DATA, flags, stream, content)


def headers(stream, block, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, block)


def continuation(stream, block, flags=END_HEADERS):
    return frame(CONTINUATION, flags, stream, block)


def dependency(on=0, weight=16, exclusive=False):
    """What a PRIORITY frame holds, and a HEADERS frame with that flag begins with."""
    return (on | exclusive << 31).to_bytes(4, "big") + bytes([weight - 1])


def priority(stream, **which):
    return frame(PRIORITY, 0, stream, dependency(**which))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(
        key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))


def ping(content=b"is it on", flags=0, stream=0):
    return frame(PING, flags, stream, content)


def goaway(last=0, code=NO_ERROR, debug=b"", stream=0):
    return frame(GOAWAY, 0, stream, last.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


class Frame(typing.NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends_stream(self):
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)

    @property
    def code(self):
        """The error code of a RST_STREAM or GOAWAY frame."""
        start = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[start:start + 4], "big")

    @property
    def settings(self):
        return {int.from_bytes(self.payload[at:at + 2], "big"):
                int.from_bytes(self.payload[at + 2:at + 6], "big")
                for at in range(0, len(self.payload), 6)}


class Peer:
    """A client's connection that sends what it is told, and reads frame by frame."""

    def __init__(self, connected, scheme="http"):
        self.socket, self.scheme = connected, scheme
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.settings, self.buffer = {}, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *frames):
        for each in frames:
            self.socket.sendall(each)

    def start(self, *pairs):
        """Both prefaces and their acknowledgements (RFC 9113 section 3.4)."""
        self.send(PREFACE + settings(*pairs))
        first = self.frame()
        assert (first.kind, first.flags, first.stream) == (SETTINGS, 0, 0), first
        self.settings = first.settings
        self.send(frame(SETTINGS, ACK))
        self.until(lambda each: each.kind == SETTINGS and each.flags & ACK)
        return self

    def send_cut(self, cut, frames):
        """Sends in one piece, a frame at a time, or a byte at a time as far as that is short."""
        whole = b"".join(frames)
        if cut == "bytes":
            frames = [bytes([byte]) for byte in whole[:400]] + [whole[400:]]
        self.send(*([whole] if cut == "whole" else frames))

    def undergo(self, frames, look, cut):
        """A case: what `frames` makes is sent after both prefaces, `look` judges what comes."""
        with self:
            self.start()
            self.send_cut(cut, frames(self))
            look(self)

    def frame(self):
        """The next frame; EOFError when the other side has ended."""
        head = self._take(9)
        return Frame(head[3], head[4], int.from_bytes(head[5:9], "big"),
                     self._take(int.from_bytes(head[:3], "big")))

    def _take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise EOFError(f"ended with {self.buffer!r}" if self.buffer else "ended")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def until(self, wanted):
        """Frames up to the first that is wanted, that one last."""
        seen = []
        while not seen or not wanted(seen[-1]):
            try:
                seen.append(self.frame())
            except (EOFError, OSError) as error:
                raise AssertionError(f"{error!r} after {seen}") from error
        return seen

    def block(self, *fields):
        """A field block, coded as any client would."""
        return self.encoder.encode(fields, huffman=True)

    def fields(self, *more, method="GET", path="/"):
        return [(":method", method), (":scheme", self.scheme), (":path", path),
                (":authority", "polyak.test"), *more]

    def get(self, stream=1, *more, flags=END_HEADERS | END_STREAM, **which):
        """A GET's HEADERS frame."""
        return headers(stream, self.block(*self.fields(*more, **which)), flags)

    def post(self, stream=1, *more, path="/"):
        """A POST's HEADERS frame, to which a body belongs."""
        return self.get(stream, *more, flags=END_HEADERS, method="POST", path=path)

    def answer(self, stream=1):
        """The whole answer on a stream: status, fields and content."""
        seen = self.until(lambda each: each.stream == stream and
                          (each.ends_stream or each.kind == RST_STREAM) or each.kind == GOAWAY)
        assert seen[-1].ends_stream, seen
        fields, content = [], b""
        for each in seen:
            if each.kind == HEADERS:
                assert each.flags & END_HEADERS, each
                decoded = self.decoder.decode(each.payload)
                fields += decoded if each.stream == stream else []
            if each.kind == DATA and each.stream == stream:
                content += each.payload
        return int(dict(fields)[":status"]), dict(fields), content

    def pong(self, content=b"alive???"):
        """The connection is in order: a PING is answered."""
        self.send(ping(content))
        return self.until(lambda each: each.kind == PING and each.flags & ACK and
                          each.payload == content)

    def rest(self):
        """Everything until the other side closes in order; a reset fails."""
        seen = []
        while True:
            try:
                seen.append(self.frame())
            except EOFError as end:
                assert str(end) == "ended", end
                return seen


# What a case must lead to. Each looks at a peer that has sent everything.

def refused(*codes):
    """A connection error: GOAWAY with the code, then the connection is closed in order, so that
    the GOAWAY cannot be lost (RFC 9113 section 5.4.1)."""
    def look(peer):
        last = peer.until(lambda each: each.kind == GOAWAY)[-1]
        assert last.code in codes, last
        assert all(each.kind in (DATA, HEADERS, GOAWAY, WINDOW_UPDATE) for each in peer.rest())
    return look


def reset(*codes, stream=1):
    """A stream error: RST_STREAM with the code and the connection goes on, or a connection error
    of that code, which section 5.4.2 allows."""
    def look(peer):
        last = peer.until(lambda each: each.kind == GOAWAY or
                          each.kind == RST_STREAM and each.stream == stream)[-1]
        assert last.code in codes, last
        if last.kind == RST_STREAM:
            peer.pong()
        else:
            peer.rest()
    return look


def stream_reset(*codes, stream=1):
    """As `reset`, where only the stream may be ended."""
    def look(peer):
        last = peer.until(lambda each: each.kind in (GOAWAY, RST_STREAM))[-1]
        assert (last.kind, last.stream) == (RST_STREAM, stream) and last.code in codes, last
        peer.pong()
    return look


def answered(*statuses, stream=1):
    """The request is answered and the connection is in order."""
    def look(peer):
        status, _, _ = peer.answer(stream)
        assert status in statuses, status
        peer.pong()
    return look


def malformed(peer):
    """RFC 9113 section 8.1.1: a stream error, or first an answer that says so."""
    seen = peer.until(lambda each: each.kind in (RST_STREAM, GOAWAY) or each.ends_stream)
    if seen[-1].ends_stream:
        head = [each for each in seen if each.kind == HEADERS][0]
        assert dict(peer.decoder.decode(head.payload))[":status"] == "400", seen
    else:
        assert seen[-1].code == PROTOCOL_ERROR, seen
        if seen[-1].kind == RST_STREAM:
            peer.pong()


def accepted(peer):
    """Nothing happens but that the connection goes on."""
    seen = peer.pong()
    assert not [each for each in seen if each.kind in (RST_STREAM, GOAWAY)], seen


def ponged(content):
    """A PING is answered with the same content, and nothing else with anything."""
    def look(peer):
        seen = [each for each in peer.until(lambda each: each.kind == PING)
                if each.kind != WINDOW_UPDATE]
        assert seen == [(PING, ACK, 0, content)]
    return look


def acknowledged(count):
    """So many acknowledgements come, and then what was asked after them (section 6.5.3)."""
    def look(peer):
        seen = [each for each in peer.pong()[:-1] if each.kind != WINDOW_UPDATE]
        assert [each[:3] for each in seen] == [(SETTINGS, ACK, 0)] * count, seen
    return look


def in_order(peer):
    """The connection goes on, whatever may have come of the stream."""
    assert not [each for each in peer.pong() if each.kind == GOAWAY]


def closed(peer):
    """The connection is closed in order."""
    peer.rest()
