"""Many slow HTTP/1.1 connections."""

from attack import ENDED, MIB, SHORT
from attacked import MODEL_BYTES, MODEL_HEAD, PATH, TYPE
from crowd import crowd
from http1_floods import HOST

COUNT = 1000
GROWTH = 16 * MIB
"""4 kB for each of the connections, and what a request in progress needs."""


def upload(path):
    return (f"POST {path}/parameters HTTP/1.1\r\nContent-Type: {TYPE}\r\n"
            f"Content-Length: {MODEL_BYTES}\r\n").encode() + HOST + b"\r\n" + MODEL_HEAD


UPLOAD = upload(PATH)
AVERAGE = f"GET {PATH}/averages/main HTTP/1.1\r\n".encode() + HOST + b"\r\n"

crowd("HTTP/1.1 slow heads", COUNT, lambda _: b"GET /livez HTTP/1.1\r\n" + HOST, b"X-a: b\r\n", 0.2,
      outcomes=(ENDED,), settings=SHORT, patience=25, growth=GROWTH)
crowd("HTTP/1.1 connections that say nothing", 4 * COUNT, lambda _: b"", outcomes=(ENDED,),
      settings=SHORT, patience=25, growth=GROWTH)
crowd("HTTP/1.1 slow bodies", COUNT, lambda _: UPLOAD, b"\0" * 10, 0.2,
      settings=(*SHORT, "--lease-window", "1s"), patience=45, growth=GROWTH)
crowd("HTTP/1.1 slow readers", COUNT, lambda _: AVERAGE, interval=0.5, receive=1, buffer=4096,
      settings=SHORT, patience=80, growth=GROWTH)
