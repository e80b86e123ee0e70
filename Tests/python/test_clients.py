"""A session's full life by the clients that people use, over every protocol that they speak."""

import functools
import re
import shutil
import subprocess

import numpy as np
import pytest

import callers
import certificates
import oracle
from harness import SAFETENSORS, Service, new_name, unless_late
from models import assert_same, decode, encode, tensor

pytestmark = pytest.mark.once("every client has its own protocol")

SETTINGS = {"strategy": "alpha_suffix", "epochs": 2, "alpha": 0.5}
JSON = {"Content-Type": "application/json"}
EXPECT = ["--header", "Expect: 100-continue"]
UPGRADE = "HTTP/1.1, from which requests without a body are upgraded"
# Before version 20 Node tries one address of localhost, and the service listens on 127.0.0.1.
NODE = ["node", "--dns-result-order=ipv4first"]


def curl(*options):
    return functools.partial(callers.Curl, options=options)


def lines(*command):
    return functools.partial(callers.Lines, command=command)


# The client, and the version its answers must have.
ANYWHERE = {
    "nghttp": (callers.Nghttp, "2"),
    "wget": (callers.Wget, "1.1"),
    "httpx": (functools.partial(callers.Httpx, http2=False), "1.1"),
    "httpx HTTP/2": (callers.Httpx, "2"),
    "aiohttp": (callers.Aiohttp, "1.1"),
    "requests": (callers.Requests, "1.1"),
    "Node fetch": (lines(*NODE, "client.mjs", "fetch"), "1.1"),
    "Node http2": (lines(*NODE, "client.mjs", "http2"), "2"),
    "Java HTTP/1.1": (lines("java", "Client.java", "HTTP_1_1"), "1.1"),
}
PLAIN = {
    "curl": (curl("--http1.1"), "1.1"),
    "curl --compressed": (curl("--http1.1", "--compressed"), "1.1"),
    "curl --http2": (curl("--http2"), UPGRADE),
    "curl --http2 --compressed": (curl("--http2", "--compressed"), UPGRADE),
    "curl --http2-prior-knowledge": (curl("--http2-prior-knowledge"), "2"),
    "curl, Expect": (curl("--http1.1", *EXPECT), "1.1"),
    "curl --http2-prior-knowledge, Expect": (curl("--http2-prior-knowledge", *EXPECT), "2"),
    **ANYWHERE,
    "Java": (lines("java", "Client.java", "HTTP_2"), None),
}


TLS = {
    "curl": (curl("--http1.1"), "1.1"),
    "curl --http2 --compressed": (curl("--http2", "--compressed"), "2"),
    "curl --http2, Expect": (curl("--http2", *EXPECT), "2"),
    **ANYWHERE,
    "Java": (lines("java", "Client.java", "HTTP_2"), "2"),
}


def models(count):
    """Some that are larger than every window and buffer."""
    random = np.random.default_rng(1)
    return [{"w": tensor(random.standard_normal(size).astype(np.float32)),
             "n": tensor(np.array([size]))} for size in [700_000] * count]


class Life:
    """What a trainer and its user do with one session, each answer looked at."""

    def __init__(self, caller, version, name, sees_early=True):
        self.caller, self.version = caller, version
        self.sees_early = sees_early
        self.path = f"/v1/sessions/{new_name(name)}"

    def call(self, method, path="", body=None, headers=None, status=200):
        answer = self.caller.call(method, self.path + path, body, headers or {})
        assert answer.status == status, answer
        expected = self.version
        if expected == UPGRADE:
            expected = "2" if body is None else "1.1"
        assert expected in (None, answer.version), answer.version
        return answer

    def live(self):
        assert self.call("PUT", "", b'{"strategy": "alpha_suffix", "epochs": 2, "alpha": 0.5}',
                         JSON, 201).json()["session"]
        expected = self.train()
        etag = self.read(expected)
        self.see_errors(etag)
        self.call("DELETE", status=204)
        self.call("GET", status=404).problem(404, "session-not-found")

    def train(self):
        average = oracle.Average(SETTINGS)
        model = {"Content-Type": SAFETENSORS}
        early, *iterates = models(4)
        assert not self.call("POST", "/parameters?step=1", encode(early),
                             model).json()["applied"]
        average.apply(early)
        average.report(2.5, 1)
        said = self.call("POST", "/epochs", b'{"epoch": 1, "loss": 2.5}', JSON).json()
        assert said["averages"]["main"]["started_now"] and average.started
        for step, iterate in enumerate(iterates, 2):
            assert self.call("POST", f"/parameters?step={step}", encode(iterate),
                             model).json()["applied"]
            average.apply(iterate)
        assert self.call("POST", f"/parameters?step={step}", encode(iterate),
                         model).json()["duplicate"]
        state = self.call("GET").json()
        assert state["averages"]["main"]["average_counter"] == average.count == 3
        return average.model

    def read(self, expected):
        whole = self.call("GET", "/averages/main")
        assert_same(decode(whole.body)[0], expected)
        etag = whole["ETag"]
        again = self.call("GET", "/averages/main", None, {"If-None-Match": etag}, 304)
        assert (again["ETag"], again.body) == (etag, b"")
        part = self.call("GET", "/averages/main", None, {"Range": "bytes=0-7"}, 206)
        assert part.body == whole.body[:8]
        assert part["Content-Range"] == f"bytes 0-7/{len(whole.body)}"
        head = self.call("HEAD", "/averages/main")
        assert head["Content-Length"] == str(len(whole.body))
        return etag

    def see_errors(self, etag):
        model, (iterate,) = {"Content-Type": SAFETENSORS}, models(1)
        body = encode(iterate)
        self.call("GET", "/averages/other", status=404).problem(404, "average-not-found")
        iterate["w"].data[-1] = np.nan
        self.call("POST", "/parameters", encode(iterate), model, 422).problem(422, "non-finite")
        # Found before the body, which is too large to be read for the sake of politeness.
        if self.sees_early:
            self.call("POST", "/parameters", body[:-1], model, 400).problem(
                400, "malformed-model")
            self.call("POST", "/parameters?step=1", body, model, 409).problem(409, "stale-step")
            self.call("POST", "/parameters", body, {"Content-Type": "text/plain"}, 415).problem(
                415, "unsupported-format")
        assert self.call("GET", "/averages/main", None, {"If-None-Match": etag}, 304)


def live(caller, version, name):
    """nghttp waits ten seconds for SETTINGS, Node's fetch for a connection: then another life."""
    def life():
        Life(caller, version, re.sub("[^a-z0-9]+", "-", name.lower())).live()
    unless_late(10, life)


@pytest.mark.parametrize("name", PLAIN)
def test_a_session_lives(service, tmp_path, name):
    make, version = PLAIN[name]
    with make(service.url, tmp_path) as caller:
        live(caller, version, name)


@pytest.fixture(scope="module")
def tls_service():
    running = Service(tls=True)
    yield running
    running.stop()


@pytest.mark.parametrize("name", TLS)
def test_a_session_lives_over_tls(tls_service, tmp_path, name):
    make, version = TLS[name]
    with make(tls_service.tls_url, tmp_path, certificates.shared()[0]) as caller:
        live(caller, version, name)


@pytest.mark.skipif(not shutil.which("h2load"), reason="h2load is not installed")
@pytest.mark.parametrize("version", ["h2c", "http/1.1"])
def test_h2load_gets_an_answer_to_each_request(service, client, version):
    with client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(models(1)[0])
        for path, count in (("/livez", 20_000), (session.path, 5000),
                            (f"{session.path}/averages/main", 50)):
            options = ["-n", str(count), "-c", "8", "-m", "20", "-t", "1",
                       f"--no-tls-proto={version}"]
            said = subprocess.run(["h2load", *options, service.url + path], text=True, check=True,
                                  capture_output=True, timeout=120).stdout
            assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in said, said
            assert f"status codes: {count} 2xx" in said, said
