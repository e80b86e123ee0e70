"""Clients of other makers, each as something that sends one request and returns the answer.

A caller is made with the origin ("http://127.0.0.1:8080"), a folder for its files, and the
certificate to trust or None. `call` returns the answer, whose `version` is the protocol's.
"""

import asyncio
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess

import aiohttp
import httpx
import pytest
import requests

from harness import PATIENCE
from wire import Response

HERE = pathlib.Path(__file__).parent / "clients"


def answer_of(version, status, fields, body):
    message = http.client.HTTPMessage()
    for name, value in fields:
        message[name] = value
    answer = Response(int(status), message, body)
    answer.version = version
    return answer


class Caller:
    def __init__(self, origin, folder, ca=None):
        self.origin, self.folder, self.ca = origin, folder, ca
        self.files = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def written(self, body):
        """A file with this content; a new one, since the last may still be read."""
        self.files += 1
        path = self.folder / f"body{self.files}"
        path.write_bytes(body)
        return path


class Program(Caller):
    """A command that is run for each request."""

    program = None

    def __enter__(self):
        if shutil.which(self.program) is None:
            pytest.skip(f"{self.program} is not installed")
        return self

    def run(self, *command, fails=False):
        done = subprocess.run(list(map(str, command)), capture_output=True, timeout=2 * PATIENCE,
                              check=False)
        assert fails or done.returncode == 0, (command, done)
        return done.stdout


class Curl(Program):
    program = "curl"

    def __init__(self, *arguments, options=()):
        super().__init__(*arguments)
        self.options = options

    def call(self, method, path, body=None, headers=()):
        head, content = self.folder / "head", self.folder / "content"
        content.write_bytes(b"")
        command = ["curl", "--silent", "--show-error", *self.options, "--output", content,
                   "--dump-header", head, "--write-out", "%{http_version} %{http_code}"]
        if self.ca:
            command += ["--cacert", self.ca]
        command += ["--head"] if method == "HEAD" else ["--request", method]
        # curl thinks of a form otherwise.
        fields = {"Content-Type": "", **dict(headers)}
        for name, value in fields.items():
            command += ["--header", f"{name}: {value}"]
        if body is not None:
            command += ["--data-binary", f"@{self.written(body)}"]
        version, status = self.run(*command, self.origin + path).decode().split()
        # The last head: before it may be those of 100 and 101.
        lines = head.read_bytes().decode("latin-1").strip().split("\r\n\r\n")[-1].split("\r\n")[1:]
        fields = [line.split(": ", 1) for line in lines]
        return answer_of(version, status, fields, b"" if method == "HEAD" else content.read_bytes())


class Wget(Program):
    program = "wget"

    def call(self, method, path, body=None, headers=()):
        content = self.folder / "content"
        content.write_bytes(b"")
        command = ["wget", "--quiet", "--server-response", "--no-netrc", "--tries=1",
                   f"--method={method}", f"--output-document={content}"]
        if "If-None-Match" not in headers:
            # With this, wget 1.21 waits for the body that a 304 has not.
            command.append("--content-on-error")
        if self.ca:
            command.append(f"--ca-certificate={self.ca}")
        command += [f"--header={name}: {value}" for name, value in dict(headers).items()]
        if body is not None:
            command.append(f"--body-file={self.written(body)}")
        done = subprocess.run([*command, self.origin + path], capture_output=True, text=True,
                              timeout=2 * PATIENCE, check=False)
        heads = re.split(r"^  HTTP/", done.stderr, flags=re.M)
        assert len(heads) > 1, done
        status, *lines = heads[-1].splitlines()
        version, status = status.split()[:2]
        fields = [line.strip().split(": ", 1) for line in lines if ": " in line]
        return answer_of(version, status, fields, content.read_bytes())


class Nghttp(Program):
    """The client of nghttp2; `upgrade` begins with HTTP/1.1."""

    program = "nghttp"

    def __init__(self, *arguments, options=()):
        super().__init__(*arguments)
        self.options = options

    def call(self, method, path, body=None, headers=()):
        archive = self.folder / "archive.json"
        command = ["nghttp", "--har", archive, "--header", f":method: {method}", *self.options]
        for name, value in dict(headers).items():
            command += ["--header", f"{name}: {value}"]
        if body is not None:
            command += ["--data", self.written(body)]
        content = self.run(*command, self.origin + path)
        entries = json.loads(archive.read_text())["log"]["entries"]
        assert entries, "no answer"
        entry, = entries
        fields = [(each["name"], each["value"]) for each in entry["response"]["headers"]
                  if not each["name"].startswith(":")]
        return answer_of("2", entry["response"]["status"], fields, content)


class Httpx(Caller):
    def __init__(self, *arguments, http2=True):
        super().__init__(*arguments)
        self.http2 = http2

    def __enter__(self):
        trusted = ssl.create_default_context(cafile=self.ca) if self.ca else False
        # Without TLS, HTTP/2 is only spoken where HTTP/1.1 is not.
        self.client = httpx.Client(http1=bool(self.ca) or not self.http2, http2=self.http2,
                                   verify=trusted, timeout=PATIENCE, trust_env=False)
        return self

    def __exit__(self, *_):
        self.client.close()

    def call(self, method, path, body=None, headers=()):
        got = self.client.request(method, self.origin + path, content=body, headers=dict(headers))
        return answer_of(got.http_version.removeprefix("HTTP/"), got.status_code,
                         got.headers.multi_items(), got.content)


class Requests(Caller):
    def __enter__(self):
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(self.ca) if self.ca else True
        return self

    def __exit__(self, *_):
        self.session.close()

    def call(self, method, path, body=None, headers=()):
        got = self.session.request(method, self.origin + path, data=body, headers=dict(headers),
                                   timeout=PATIENCE)
        return answer_of({11: "1.1"}[got.raw.version], got.status_code, got.headers.items(),
                         got.content)


class Aiohttp(Caller):
    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._begin())
        return self

    def __exit__(self, *_):
        self.loop.run_until_complete(self.session.close())
        self.loop.close()

    async def _begin(self):
        trusted = ssl.create_default_context(cafile=self.ca) if self.ca else False
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted),
            timeout=aiohttp.ClientTimeout(total=PATIENCE))

    def call(self, method, path, body=None, headers=()):
        return self.loop.run_until_complete(self._call(method, path, body, headers))

    async def _call(self, method, path, body, headers):
        async with self.session.request(method, self.origin + path, data=body,
                                        headers=dict(headers)) as got:
            return answer_of(f"{got.version.major}.{got.version.minor}", got.status,
                             got.headers.items(), await got.read())


class Lines(Caller):
    """A program in another language that reads requests and writes answers, line by line."""

    def __init__(self, *arguments, command):
        super().__init__(*arguments)
        self.command = command

    def __enter__(self):
        if shutil.which(self.command[0]) is None:
            pytest.skip(f"{self.command[0]} is not installed")
        trusted = {"CA": str(self.ca), "NODE_EXTRA_CA_CERTS": str(self.ca)} if self.ca else {}
        self.process = subprocess.Popen(
            [*self.command, self.origin], cwd=HERE, text=True, env=os.environ | trusted,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def call(self, method, path, body=None, headers=()):
        file = "-" if body is None else str(self.written(body))
        fields = [f"{name}: {value}" for name, value in dict(headers).items()]
        print(method, path, file, *fields, sep="\t", file=self.process.stdin, flush=True)
        version, status, *rest = self.process.stdout.readline().rstrip("\n").split("\t")
        assert version != "failed", status
        content, *fields = rest
        return answer_of(version, status, [field.split(": ", 1) for field in fields],
                         base64.b64decode(content))
