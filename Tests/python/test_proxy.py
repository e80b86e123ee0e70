"""The example of a reverse proxy, deploy/proxy/nginx.conf, as it is but for ports and paths."""

import functools
import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading

import numpy as np
import pytest

import callers
from certificates import over_tls, self_signed
from harness import PATIENCE, ROOT, SAFETENSORS, Service, upload_to
from models import assert_same, decode, encode, tensor
from test_clients import Life
from wire import Wire
from wire2 import Wire2

pytestmark = [pytest.mark.once("nginx chooses what it speaks to the service"),
              pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]),
                                 reason="nginx is not installed")]


class Requests(callers.Requests):
    """With a new connection after a refusal: where nginx has not read all of a body, it is about
    to close the connection, and does not say so."""

    def call(self, *arguments):
        answer = super().call(*arguments)
        if answer.status >= 400:
            self.session.close()
        return answer


LATEST = {"rule": {"name": "latest"}}
CLIENTS = {"curl HTTP/2": (functools.partial(callers.Curl, options=["--http2"]), "2"),
           "curl HTTP/1.1": (functools.partial(callers.Curl, options=["--http1.1"]), "1.1"),
           "httpx HTTP/2": (callers.Httpx, "2"), "requests": (Requests, "1.1")}


class Proxy:
    """nginx with the example before a service, on a port of the system's choice."""

    def __init__(self, service, folder, unix=False):
        self.service, self.folder = service, folder
        self.certificate, key = self_signed(folder)
        self.log = folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            upstream = f"unix:{service.socket_path}" if unix else f"127.0.0.1:{service.port}"
            (folder / "polyak.conf").write_text(example({
                r"listen 443 (.*);": rf"listen 127.0.0.1:{self.port} \1;",
                r"listen \[::\].*;": "", r"server 127\.0\.0\.1:8080;": f"server {upstream};",
                r"server_name .*;": "server_name localhost;",
                r"ssl_certificate .*;": f"ssl_certificate {self.certificate};",
                r"ssl_certificate_key .*;": f"ssl_certificate_key {key};"}))
            (folder / "nginx.conf").write_text(
                f"user {'root' if os.geteuid() == 0 else 'nobody'};\n"
                f"daemon off; pid {folder}/pid; worker_processes 2;\n"
                f"events {{}}\nhttp {{ access_log off; client_body_temp_path {folder}/body; "
                f"proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; "
                f"uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; "
                # Clients may stand still while they send what nginx wants no more.
                f"lingering_time 10m; lingering_timeout 10m; "
                f"include {folder}/polyak.conf; }}\n")
            # nginx takes over the socket, as from an nginx that it replaces.
            self.process = subprocess.Popen(
                ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", self.log],
                pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
                env={"PATH": "/usr/sbin:/usr/bin", "NGINX": f"{listener.fileno()};"})

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def wire(self, version):
        connected = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        if version == "2":
            return Wire2(over_tls(connected, self.certificate, "h2"))
        return Wire(over_tls(connected, self.certificate, "http/1.1"))

    def stop(self):
        # SIGQUIT would wait for as long as a worker sees a connection that is not idle.
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = "does not end"
        finally:
            self.process.kill()
        assert status == 0, self.log.read_text()


def example(changes):
    text = (ROOT / "deploy" / "proxy" / "nginx.conf").read_text()
    for pattern, replacement in changes.items():
        text, count = re.subn(rf"^    {pattern}$", f"    {replacement}", text, flags=re.M)
        assert count == 1, pattern
    return text


@pytest.fixture(scope="module", params=["loopback", "unix"])
def proxy(request, tmp_path_factory):
    service = Service(unix=request.param == "unix")
    running = Proxy(service, tmp_path_factory.mktemp("nginx"), request.param == "unix")
    yield running
    running.stop()
    service.stop()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_session_lives_behind_it(proxy, tmp_path, name):
    make, version = CLIENTS[name]
    with make(proxy.url, tmp_path, proxy.certificate) as caller:
        # httpx waits in vain for leave to send the rest of a body that nginx wants no more.
        Life(caller, version, re.sub("[^a-z0-9]+", "-", name.lower()),
             sees_early=name != "httpx HTTP/2").live()


@pytest.mark.parametrize("name", ["curl HTTP/2", "curl HTTP/1.1"])
def test_a_large_model_comes_through_whole(proxy, tmp_path, name):
    values = np.random.default_rng(3).standard_normal(25_000_000).astype(np.float32)
    with proxy.service.client() as client, client.session(LATEST) as session, \
            CLIENTS[name][0](proxy.url, tmp_path, proxy.certificate) as caller:
        answer = caller.call("POST", f"{session.path}/parameters", encode({"w": tensor(values)}),
                             {"Content-Type": SAFETENSORS})
        assert answer.status == 200, answer
        answer = caller.call("GET", f"{session.path}/averages/main")
        received = decode(answer.body)[0]["w"].raw
    assert hashlib.sha256(received).digest() == hashlib.sha256(values.tobytes()).digest()


@pytest.mark.parametrize("name", ["httpx HTTP/2", "requests"])
def test_a_long_poll_is_answered_when_there_is_news(proxy, tmp_path, name):
    model = {"w": tensor(np.ones(5, np.float32))}
    with proxy.service.client() as client, client.session(LATEST) as session, \
            CLIENTS[name][0](proxy.url, tmp_path, proxy.certificate) as caller:
        session.fold(model)
        etag, answers = session.average()["ETag"], []
        headers = {"If-None-Match": etag, "Prefer": "wait=60"}
        poll = threading.Thread(target=lambda: answers.append(
            caller.call("GET", f"{session.path}/averages/main", None, headers)))
        poll.start()
        session.fold(model)
        poll.join(PATIENCE)
        assert answers[0].status == 200 and answers[0]["Polyak-Revision"] == "2"


@pytest.mark.parametrize("version", ["2", "1.1"])
@pytest.mark.parametrize("ending", ["cancel", "finish", "reset"])
def test_a_client_that_vanishes_changes_nothing(proxy, version, ending):
    models = [{"w": tensor(np.full(1_000_000, value, np.float32))} for value in (1, 2, 4)]
    body = encode(models[1])
    with proxy.service.client() as client, client.session({"rule": {"name": "uniform"}}) as session:
        session.fold(models[0])
        for sent in (0, 1000, 60_000, len(body) - 1):
            wire = proxy.wire(version)
            # nginx reads on when the turn has come, and the service gives it to the first.
            wire.open(upload_to(session.path, b"", length=len(body)))
            wire.more(body[:sent])
            getattr(wire, ending)()
            wire.close()
            assert session.state()["revision"] == 1
        assert session.fold(models[2])["revision"] == 2
        assert_same(session.average().model(), {"w": tensor(np.full(1_000_000, 2.5, np.float32))})


def test_tokens_are_passed_on(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.touch(0o600)
    tokens.write_text(f"me:read:{hashlib.sha256(b'secret').hexdigest()}\n")
    service = Service("--token-file", tokens)
    proxy = Proxy(service, tmp_path)
    with CLIENTS["requests"][0](proxy.url, tmp_path, proxy.certificate) as caller:
        assert caller.call("GET", "/v1/sessions").status == 401
        for token, status in (("secret", 200), ("other", 401)):
            answer = caller.call("GET", "/v1/sessions", None, {"Authorization": f"Bearer {token}"})
            assert answer.status == status, answer
    proxy.stop()
    service.stop()
