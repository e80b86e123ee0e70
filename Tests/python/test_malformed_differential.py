"""Thousands of generated requests, most of them wrong, judged against h11 and llhttp.

Where both refuse, one answer 4xx or 5xx comes and the connection ends. Where both take the bytes
for the same number of requests, so do we, or we refuse for one of the reasons listed here. And
never is anything answered after a refusal.

MALFORMED_REQUESTS and MALFORMED_SEED choose how many and which.
"""

import collections
import concurrent.futures
import json
import os
import re
import socket

import pytest

from malformed import ask_h11, ask_llhttp, generate
from wire import PATIENCE

pytestmark = pytest.mark.once("HTTP/1.1, byte by byte")

COUNT = int(os.environ.get("MALFORMED_REQUESTS", 8000))
SEED = int(os.environ.get("MALFORMED_SEED", 9112))
MARKER = b"GET /the-marker HTTP/1.1\r\nHost: h\r\n\r\n"

# Where both parsers take what we refuse: what our answer says, and why we may.
STRICTER = {
    "target's authority is not a host": "9112 3.2: 400 to a Host with an invalid value",
    "request target is not valid": "9112 3.2: characters that RFC 3986 has not, or a form not for "
                                   "this method",
    "at most (the setting ": "9110 15.5.15, 6585 5: limits that both parsers do not have",
}

# What both may refuse and we take: they read fields of a trailer section as if they stood in the
# head, where RFC 9110 section 6.5.1 says that they mean nothing.
LOOSER = re.compile(rb"\r\n0+(;[^\r]*)?\r\n(.*\r\n)?(Content-Length|Transfer-Encoding):", re.S)


def converse(port, data, cut):
    """What comes back for the bytes and the marker, in two pieces, and FIN."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole, said = data + MARKER, b""
        for piece in filter(None, (whole[:cut], whole[cut:])):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(1 << 16):
            said += more
    return said


class Ours:
    """Our answers: how many requests were taken, whether the marker was the last of them, what a
    refusal said after them, and whether the last said that it is the last."""

    def __init__(self, said):
        self.taken, self.saw_marker, self.refusal, self.closed = 0, False, None, False
        while said:
            head, end, said = said.partition(b"\r\n\r\n")
            assert end and head.startswith(b"HTTP/1.1 "), head
            status = int(head[9:12])
            if status == 100:
                continue
            assert not self.closed, "something was answered after Connection: close"
            self.closed = b"\r\nConnection: close" in head
            assert not self.saw_marker, "something was answered after the marker"
            length = int(re.search(rb"\r\nContent-Length: (\d+)", head)[1])
            content, said = said[:length], said[length:]
            assert len(content) == length
            if status >= 400 and status not in (404, 405):
                assert self.closed, head
                self.refusal = json.loads(content)["detail"]
            else:
                self.taken += 1
                self.saw_marker = b"the-marker" in content


def judge(data, cut, ours):
    """What the case counts as; an AssertionError when we are wrong."""
    verdicts = [ask_h11(data + MARKER), ask_llhttp(data + MARKER)]
    counts, ends = zip(*((each.requests, each.end.split(":")[0]) for each in verdicts))
    # A request is answered by its head; that its body never ends is seen only then.
    early = 0 if ours.saw_marker else 1
    if LOOSER.search(data):
        return "fields in trailers: taken" if ours.saw_marker else "fields in trailers: refused"
    assert ours.taken <= max(counts) + early, verdicts
    if ends == ("error", "error") and max(counts) == 0:
        assert not ours.saw_marker, verdicts
        if ours.taken:
            assert ours.taken == 1 and cut > data.find(b"\r\n\r\n"), verdicts
            return "both refuse: answered by the head, then ended"
        assert ours.refusal, verdicts
        return "both refuse: refused"
    if ends == ("end", "end") and counts[0] == counts[1]:
        if ours.refusal:
            reasons = [reason for reason in STRICTER if reason in ours.refusal]
            assert reasons, (ours.refusal, verdicts)
            return f"both take it: refused, {reasons[0]}"
        if ours.closed and not ours.saw_marker and cut > data.find(b"\r\n\r\n"):
            # Answered by its head before its chunks came, which nobody knows the length of.
            assert b"chunked" in data.lower() and ours.taken == counts[0] - 1, verdicts
            return "both take it: answered by the head, then ended"
        assert ours.saw_marker and ours.taken == counts[0], verdicts
        return "both take it: taken"
    if ours.saw_marker:
        assert ours.taken in counts, verdicts
        return "they differ: taken as by one of them"
    return "they differ: refused or ended"


def test_generated_requests(service):
    tally, wrong = collections.Counter(), []

    def run(generated):
        data, cut = generated
        said = converse(service.port, data, cut)
        try:
            return judge(data, cut, Ours(said))
        except AssertionError as error:
            return f"WRONG {data[:300]!r} cut at {cut}: {said!r}; {error}"

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for said in pool.map(run, generate(COUNT, SEED)):
            if said.startswith("WRONG"):
                wrong.append(said)
            else:
                tally[said] += 1
    for said, count in sorted(tally.items()):
        print(f"{count:6} {said}")
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n".join(wrong[:40])
