"""What TLS adds. Everything else runs over it too, with POLYAK_PROTOCOL=h1-tls and h2-tls."""

import contextlib
import hashlib
import http.client
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import warnings

import numpy as np
import pytest

import certificates
import oracle
from harness import (BINARY, CLOSE_WAIT, ESTABLISHED, PATIENCE, SAFETENSORS, Service, eventually,
                     inherited, new_name, tcp_connections)
from models import assert_same, decode, encode, tensor

pytestmark = pytest.mark.once("TLS is spoken by the test itself")
VERSIONS = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3}
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def tls():
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    # Heads come byte by byte in some tests, and connections idle in others.
    running = Service("--head-timeout", "10m", "--idle-timeout", "1h", tls=True)
    yield running
    running.stop()


@pytest.fixture
def impatient(tls, start_service):
    return start_service("--head-timeout", "1s", tls=True)


def context(version=None, alpn=(), authority=None):
    made = ssl.create_default_context(cafile=authority or certificates.shared()[0])
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = made.maximum_version = VERSIONS[version]
        # A client of today offers 1.1 only when it is told to.
        made.set_ciphers("ALL:@SECLEVEL=0")
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def bare(service, tls=True):
    made = socket.create_connection(
        ("127.0.0.1", service.tls_port if tls else service.port), PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def connect(service, **options):
    return context(**options).wrap_socket(bare(service), server_hostname="localhost")


def ask(connected, request=GET):
    connected.sendall(request)
    answer = http.client.HTTPResponse(connected)
    answer.begin()
    return answer.status, answer.read()


def idle(service):
    """Every connection has gone."""
    eventually(lambda: not any(
        local == service.tls_port and connection.state in (ESTABLISHED, CLOSE_WAIT)
        for (local, _), connection in tcp_connections().items()), "connections are left")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_versions_and_ciphers(tls, version):
    with connect(tls, version=version) as connected:
        assert connected.version() == f"TLSv{version}"
        cipher = connected.cipher()[0]
        assert re.fullmatch(r"(TLS|ECDHE-\w+)[-_](AES[-_]?\d+[-_]GCM|CHACHA20.POLY1305).*", cipher)
        assert connected.compression() is None
        assert ask(connected)[0] == 200


def test_version_1_1_is_refused(tls):
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version|unsupported"):
        connect(tls, version="1.1")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("offered, chosen", [
    (["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"), (["x", "h2"], "h2"), ([], None)])
def test_alpn_chooses_the_first_of_ours(tls, version, offered, chosen):
    with connect(tls, version=version, alpn=offered) as connected:
        assert connected.selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert ask(connected)[0] == 200


def test_alpn_without_a_common_protocol_is_an_alert(tls):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(tls, alpn=["http/1.0"])


def test_weak_ciphers_are_refused(tls):
    for cipher in ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"]:
        made = context(version="1.2")
        made.set_ciphers(cipher + ":@SECLEVEL=0")
        with bare(tls) as connected, pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
            made.wrap_socket(connected, server_hostname="localhost")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PRI"])
def test_plain_http_is_told_to_use_https(tls, method):
    with bare(tls) as connected:
        connected.sendall(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connected)
        answer.begin()
        assert answer.status == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert b"https" in answer.read()
        assert connected.recv(1) == b""


def test_a_hello_on_the_plain_port_is_malformed(tls):
    client = Memory()
    client.advance()
    with bare(tls, tls=False) as connected:
        connected.sendall(client.output.read())
        answer = http.client.HTTPResponse(connected)
        answer.begin()
        assert answer.status == 400


class Memory:
    """A client whose bytes the test carries."""

    def __init__(self, **options):
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(**options).wrap_bio(self.input, self.output,
                                               server_hostname="localhost")

    def advance(self):
        """Whether the handshake is over."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def sent(self, connected, limit=None):
        """Sends what there is, one byte at a time; at most `limit` bytes. How many."""
        data = self.output.read()[:limit]
        for at in range(len(data)):
            connected.sendall(data[at:at + 1])
        return len(data)

    def receive(self, connected):
        """Some more, or the end."""
        data = connected.recv(1 << 16)
        self.input.write(data) if data else self.input.write_eof()
        return data


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_bytes_may_come_one_by_one(tls, version):
    client = Memory(version=version)
    with bare(tls) as connected:
        while not client.advance():
            client.sent(connected)
            client.receive(connected)
        client.tls.write(GET + GET)
        client.sent(connected)
        answer = b""
        while answer.count(b"\r\n\r\nok") < 2:
            try:
                answer += client.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                assert client.receive(connected)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("resets", [False, True])
def test_a_client_may_vanish_at_any_byte(tls, version, resets):
    descriptors = tls.descriptors()
    cut, whole = 0, False
    while not whole:
        client, sent = Memory(version=version), 0
        with bare(tls) as connected:
            over = False
            while sent < cut and not whole:
                over = over or client.advance()
                if over and not client.output.pending:
                    client.tls.write(GET)
                    over = whole = True
                sent += client.sent(connected, cut - sent)
                if sent < cut and not whole:
                    client.receive(connected)
            if resets:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        cut += 7
    assert cut > 300
    idle(tls)
    eventually(lambda: tls.descriptors() <= descriptors, "descriptors are left")


@pytest.mark.parametrize("opening", [0, 1, 5, 100])
def test_a_slow_handshake_is_ended(impatient, opening):
    client = Memory()
    client.advance()
    with bare(impatient) as connected:
        # Resets what is sent when it is too late already.
        with contextlib.suppress(ConnectionError):
            connected.sendall(client.output.read(opening))
            assert connected.recv(1) == b""


def test_a_handshake_that_trickles_is_ended(impatient):
    # So long that it takes minutes, however late the service is.
    client = Memory(alpn=[f"protocol-{number}" for number in range(200)])
    client.advance()
    hello = client.output.read()
    with bare(impatient) as connected, contextlib.suppress(ConnectionError):
        for at in range(len(hello) - 1):
            connected.sendall(hello[at:at + 1])
            if select.select([connected], [], [], 0.1)[0]:
                assert connected.recv(1) == b""
                return
        raise AssertionError("all but the last byte was taken")


def test_renegotiation_is_refused(tls):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{tls.tls_port}", "-tls1_2",
               "-CAfile", certificates.shared()[0]]
    run = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=PATIENCE,
                         check=False)
    assert "RENEGOTIATING" in run.stdout + run.stderr
    assert re.search("no renegotiation", run.stdout + run.stderr), run.stderr


def test_openssl_and_curl_verify_the_certificate(tls, tmp_path):
    authority = certificates.shared()[0]
    verified = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{tls.tls_port}", "-CAfile", authority,
         "-verify_return_error", "-brief"], input="", capture_output=True, text=True, check=True,
        timeout=PATIENCE)
    assert "Verification: OK" in verified.stderr
    if shutil.which("curl"):
        url = f"https://localhost:{tls.tls_port}/livez"
        curl = ["curl", "-sS", "--resolve", f"localhost:{tls.tls_port}:127.0.0.1", url]
        assert subprocess.run([*curl, "--cacert", authority], capture_output=True,
                              check=True).stdout.strip() == b"ok"
        other = certificates.self_signed(tmp_path)[0]
        assert subprocess.run([*curl, "--cacert", other], capture_output=True,
                              check=False).returncode == 60


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_twenty_megabytes_up_and_down(tls, version):
    random = np.random.default_rng(5)
    iterates = [{"w": tensor(random.standard_normal(5_000_000).astype(np.float32))}
                for _ in range(3)]
    average = oracle.Average({"rule": {"name": "uniform"}})
    path = f"/v1/sessions/{new_name('tls')}"
    connection = http.client.HTTPSConnection(
        "localhost", tls.tls_port, timeout=PATIENCE, context=context(version=version))

    def request(*arguments):
        connection.request(*arguments)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status < 300, body
        return body

    request("PUT", path, '{"rule": {"name": "uniform"}}', {"Content-Type": "application/json"})
    for iterate in iterates:
        request("POST", path + "/parameters", encode(iterate), {"Content-Type": SAFETENSORS})
        average.apply(iterate)
    bodies = {hashlib.sha256(request("GET", path + "/averages/main")).digest() for _ in range(3)}
    assert len(bodies) == 1
    assert_same(decode(request("GET", path + "/averages/main"))[0], average.model)
    request("DELETE", path)


def test_a_body_cut_by_the_end_of_the_connection_changes_nothing(tls):
    """With and without close_notify: only the length tells that a body is whole."""
    body = encode({"w": tensor(np.ones(1000, np.float32))})
    path = f"/v1/sessions/{new_name('tls')}"
    head = (f"POST {path}/parameters HTTP/1.1\r\nHost: a\r\n"
            f"Content-Type: {SAFETENSORS}\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    settings = b'{"rule": {"name": "uniform"}}'
    with connect(tls) as connected:
        assert ask(connected, f"PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: "
                   f"{len(settings)}\r\n\r\n".encode() + settings)[0] == 201
        for announced in [False, True]:
            with connect(tls) as other:
                other.sendall(head + body[:-1])
                if announced:
                    # Waits for the service's own end, which shows that it took this for one.
                    other.unwrap()
                else:
                    socket.socket.shutdown(other, socket.SHUT_WR)
                    assert other.recv(1) == b""
        status, state = ask(connected, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert status == 200 and b'"revision":0' in state.replace(b" ", b"")


def test_idle_connections_are_small(tls):
    count = 1000
    # The first ones pay for what all share.
    early = [connect(tls) for _ in range(50)]
    for connected in early:
        assert ask(connected)[0] == 200
    before, kept = tls.memory(), []
    for _ in range(count):
        kept.append(connect(tls))
        assert ask(kept[-1])[0] == 200
    each = (tls.memory() - before) / count / 1024
    print(f"\n{count} idle TLS connections: {each:.1f} KiB each")
    # A buffer of a record would be 16 KiB more in each direction.
    assert each < 24
    for connected in early + kept:
        connected.close()


@pytest.mark.parametrize("opening", [0, 1, 5, 200])
def test_a_stalled_handshake_costs_little_before_the_hello_is_whole(start_service, opening):
    count = 300
    service = start_service("--head-timeout", "600s", tls=True)
    client = Memory()
    client.advance()
    hello = client.output.read()
    # The first ones pay for what all share.
    early = [connect(service) for _ in range(20)]
    descriptors, before = service.descriptors(), service.memory("Pss_Anon")
    stalled = [bare(service) for _ in range(count)]
    for connected in stalled:
        connected.sendall(hello[:opening])
    eventually(lambda: service.descriptors() >= descriptors + count, "they are not accepted")
    assert ask(early[0])[0] == 200
    # What OpenSSL takes for a handshake is 40 KiB.
    assert service.memory("Pss_Anon") - before < count * 16 * 1024
    stalled[0].sendall(hello[opening:])
    assert stalled[0].recv(1) == b"\x16", "it goes on"
    for connected in early + stalled:
        connected.close()


def test_certificates_are_read_again_at_sighup(tmp_path, start_service):
    first, second = (certificates.self_signed(tmp_path, name) for name in ("first", "second"))
    files = tmp_path / "used.crt", tmp_path / "used.key"

    def install(pair):
        for source, target in zip(pair, files):
            shutil.copy(source, target)

    install(first)
    service = start_service("--listen", "https://127.0.0.1:0", "--tls-certificate", files[0],
                            "--tls-key", files[1], tls=False)
    eventually(lambda: service.tls_port, "no TLS listener")

    def serial(connected):
        der = connected.getpeercert(binary_form=True)
        return subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-serial"],
                              input=der, capture_output=True, check=True).stdout

    def shown():
        made = context()
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        with made.wrap_socket(bare(service)) as connected:
            return serial(connected)

    def hang_up(expected):
        """The line of the log that says so."""
        logged = len(service.lines)
        service.process.send_signal(signal.SIGHUP)

        def found():
            return [line for line in service.lines[logged:] if expected in line]

        eventually(found, expected)
        return found()[0]

    old = connect(service, authority=first[0])
    original = shown()
    install(second)
    assert shown() == original
    hang_up("TLS certificate read again")
    renewed = shown()
    assert renewed != original
    # Whoever was there stays with what was shown to him.
    assert serial(old) == original and ask(old)[0] == 200

    mistakes = [(lambda: files[1].write_text("no key"), "used.key"),
                (lambda: files[1].chmod(0o644), "chmod 600"),
                (lambda: in_its_place(files[1], pathlib.Path.mkdir), "used.key"),
                (lambda: in_its_place(files[1], os.mkfifo), "used.key"),
                (lambda: in_its_place(files[0], os.mkfifo), "used.crt")]
    for mistake, said in mistakes:
        for file in files:
            in_its_place(file, lambda path: None)
        install(first)
        mistake()
        assert said in hang_up("TLS certificate not read again")
        assert shown() == renewed
    # Each was said once, and as an error, which other tests take for a defect.
    errors = [line for line in service.lines if " error " in line]
    assert len(errors) == len(mistakes)
    service.lines[:] = [line for line in service.lines if line not in errors]


def in_its_place(path, make):
    """Replaces whatever is there."""
    path.rmdir() if path.is_dir() else path.unlink()
    make(path)


@pytest.mark.parametrize("change, said", [
    (lambda pair, folder: (pair[0].unlink(),), "tls-certificate"),
    (lambda pair, folder: (pair[1].write_bytes(
        certificates.self_signed(folder, "other")[1].read_bytes()),), "does not belong"),
    (lambda pair, folder: (pair[1].chmod(0o644),), "chmod 600"),
    (lambda pair, folder: in_its_place(pair[0], os.mkfifo), "is no regular file"),
    (lambda pair, folder: in_its_place(pair[1], os.mkfifo), "is no regular file"),
    (lambda pair, folder: in_its_place(pair[1], pathlib.Path.mkdir), "is no regular file"),
])
def test_the_start_is_refused_with_the_reason(tmp_path, change, said):
    pair = certificates.self_signed(tmp_path)
    change(pair, tmp_path)
    run = subprocess.run(
        [BINARY, "serve", "--listen", "https://127.0.0.1:0", "--tls-certificate", pair[0],
         "--tls-key", pair[1], "--runtime-directory", tmp_path / "r", "--data-directory",
         tmp_path / "d"], capture_output=True, text=True, timeout=PATIENCE, check=False,
        env=inherited())
    assert run.returncode == 1 and said in run.stderr, run.stderr
