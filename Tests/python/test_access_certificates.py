"""Client certificates in place of tokens: which name is whose, and what a token beside them does."""

import http.client
import re
import shutil
import signal
import ssl
import subprocess

import pytest

from harness import PATIENCE, eventually
from tokens import TokenFile, bearer

pytestmark = pytest.mark.once("TLS is spoken by the test itself")


class Authority:
    """A certificate authority and what it has issued, made by the openssl command."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self._openssl("req", "-x509", "-subj", f"/CN={name}", "-keyout", self.key,
                      "-out", self.certificate)

    def issue(self, file, subject, alternative=None):
        """A certificate and its key, as two paths."""
        certificate, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        extension = ["-addext", f"subjectAltName={alternative}"] if alternative else []
        self._openssl("req", "-x509", "-subj", subject, "-CA", self.certificate, "-CAkey",
                      self.key, "-keyout", key, "-out", certificate, *extension)
        return certificate, key

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments), "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
                       check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("the openssl command is not installed")
    return Authority(tmp_path)


def ask(service, authority, path, client=None, token=None, method="GET", body=None):
    """The status of a request over https."""
    def listener():
        return re.search(r"listening on https://127\.0\.0\.1:(\d+)", "".join(service.lines))
    eventually(listener, "no https listener")
    context = ssl.create_default_context(cafile=authority.certificate)
    if client:
        context.load_cert_chain(*client)
    connection = http.client.HTTPSConnection("127.0.0.1", int(listener()[1]), timeout=PATIENCE,
                                             context=context)
    try:
        connection.request(method, path, body, bearer(token))
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("demand", ["optional", "required"])
def test_a_certificate_is_whose_line_has_its_name(start_service, authority, tmp_path, demand):
    tokens = TokenFile(tmp_path / "tokens")
    token = tokens.add("reader", "read")
    tokens.lines += ["node7.example:train:certificate:run-", "worker:admin:certificate"]
    tokens.write()
    server = authority.issue("server", "/CN=server", "IP:127.0.0.1")
    node = authority.issue("node", "/CN=worker", "DNS:x.example,DNS:node7.example")
    worker = authority.issue("worker", "/CN=worker")
    stranger = authority.issue("stranger", "/CN=reader", "DNS:other.example")
    service = start_service(
        "--listen", "https://127.0.0.1:0", "--tls-certificate", server[0], "--tls-key", server[1],
        "--tls-client-ca", authority.certificate, "--tls-client", demand,
        "--token-file", tokens.path)

    def status(*arguments, **options):
        return ask(service, authority, *arguments, **options)

    settings = '{"rule": {"name": "uniform"}}'
    for name, client, method, expected in [
            # Its alternative names count, so its common name does not.
            ("run-1", node, "PUT", 201), ("other", node, "PUT", 403), ("other", worker, "PUT", 201),
            ("other", node, "GET", 404), ("run-1", node, "DELETE", 403),
            ("run-1", worker, "DELETE", 204), ("other", stranger, "GET", 401)]:
        assert status(f"/v1/sessions/{name}", client, method=method,
                      body=settings if method == "PUT" else None) == expected, (name, method)
    sessions = "/v1/sessions"
    # A token decides where there is one.
    assert status(sessions, worker, token="wrong") == 401
    assert status(sessions, stranger, token=token) == 200
    assert status("/v1/sessions/other", worker, token=token, method="DELETE") == 403
    if demand == "optional":
        assert status(sessions) == 401
        assert status(sessions, token=token) == 200
        assert status("/livez") == 200
    # A name that is withdrawn is nobody's from the next request on.
    tokens.drop("worker")
    assert status(sessions, worker) == 200
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: any("token file read again" in line for line in service.lines), "SIGHUP")
    assert status(sessions, worker) == 401
