"""Who may do what: tokens, roles, prefixes and quotas, over real connections.

Every route with every sender is a Swift test too (AccessTests), which a new route cannot escape;
here is what needs a process, a file, a signal or a socket.
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading

import numpy as np
import pytest

from harness import BINARY, PATIENCE, eventually, upload_to
from home import Home
from models import encode
from tokens import TokenFile, bearer
from wire import UNTOLD, Request

UNIFORM = {"rule": {"name": "uniform"}}
SMALL = encode({"w": np.ones(3, np.float32)})
HUGE = 1 << 40


@pytest.fixture
def tokens(tmp_path):
    return TokenFile(tmp_path / "tokens")


class Guarded:
    """A service with a token of every role, and the tokens."""

    def __init__(self, start_service, tokens, *arguments):
        self.file = tokens
        self.read = tokens.add("reader", "read")
        self.train = tokens.add("trainer", "train")
        self.admin = tokens.add("boss", "admin")
        self.guest = tokens.add("guest", "admin", "other")
        self.service = start_service("--token-file", tokens, *arguments)

    def ask(self, method, path, body=None, token=None, **headers):
        with self.service.client() as client:
            return client.request(method, path, body, bearer(token) | headers)

    def session(self, name="s"):
        answer = self.ask("PUT", f"/v1/sessions/{name}", UNIFORM, self.admin)
        assert answer.status in (200, 201), answer

    def hang_up(self):
        """SIGHUP; what the service says when it has read its files again, or failed to."""
        def said():
            return [line for line in self.service.lines if "read again" in line]
        before = len(said())
        self.service.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(said()) > before, "SIGHUP had no effect")
        return said()[-1]


@pytest.fixture
def guarded(start_service, tokens):
    return Guarded(start_service, tokens)


ROUTES = [
    ("GET", "/v1/sessions", None, "read"),
    ("PUT", "/v1/sessions/s", UNIFORM, "train"),
    ("GET", "/v1/sessions/s", None, "read"),
    ("POST", "/v1/sessions/s/parameters", SMALL, "train"),
    ("POST", "/v1/sessions/s/epochs", {}, "train"),
    ("GET", "/v1/sessions/s/averages/main", None, "read"),
    ("HEAD", "/v1/sessions/s/averages/main", None, "read"),
    ("GET", "/v1/sessions/s/averages/main/tensors/w", None, "read"),
    ("PUT", "/v1/sessions/s/cached", b"x", "train"),
    ("GET", "/v1/sessions/s/cached", None, "read"),
    ("DELETE", "/v1/sessions/s/cached", None, "train"),
    ("DELETE", "/v1/sessions/s", None, "admin"),
]
OPEN = ["/", "/livez", "/readyz", "/healthz", "/problems/unauthenticated"]


def test_every_route_with_every_sender(guarded):
    guarded.session()
    ranks = {"read": guarded.read, "train": guarded.train, "admin": guarded.admin}
    for method, path, body, needed in ROUTES:
        for token in (None, "wrong", guarded.admin[:-1], guarded.admin + "x"):
            answer = guarded.ask(method, path, body, token)
            assert answer.status == 401, (method, path, answer)
            assert answer["WWW-Authenticate"] == "Bearer"
            if method != "HEAD":
                answer.problem(401, "unauthenticated")
        if path != "/v1/sessions":
            expected = 403 if (method, path) == ("PUT", "/v1/sessions/s") else 404
            assert guarded.ask(method, path, body, guarded.guest).status == expected
        allowed = False
        for role, token in ranks.items():
            allowed = allowed or role == needed
            answer = guarded.ask(method, path, body, token)
            if allowed:
                assert answer.status in (200, 201, 204), (method, path, role, answer)
            else:
                assert role in answer.problem(403, "forbidden")["detail"]
                assert needed in answer.json()["detail"]
            if method == "DELETE" and allowed:
                break
    for path in OPEN:
        for token in (None, "wrong", guarded.read):
            assert guarded.ask("GET", path, token=token).status == 200, path


def test_without_a_token_file_nobody_needs_one(service):
    with service.client() as client:
        assert client.get("/v1/sessions", {"Authorization": "Bearer whatever"}).status == 200


@pytest.mark.parametrize("origin, status", [
    ("http://evil.example", 403), ("null", 403), ("http://polyak.test:8080", 403),
    ("http://polyak.test", 200), ("https://polyak.test", 200)])
def test_a_page_of_another_place_is_refused(service, origin, status):
    # Bare connections say that their Host is polyak.test.
    for path, expected in [("/v1/sessions", status), ("/livez", 200)]:
        with service.wire() as wire:
            assert wire.ask(Request("GET", path, b"", f"Origin: {origin}")).status == expected


# Before the body


@pytest.mark.parametrize("fields", [(), ("Authorization: Bearer wrong",)])
def test_401_comes_before_the_body(guarded, fields):
    guarded.session()
    for length, extra in [(HUGE, ()), (HUGE, ("Expect: 100-continue",)),
                          (10, ("Expect: 100-continue",)), (10, ()), (UNTOLD, ())]:
        for method, path in [("POST", "/v1/sessions/s/parameters"),
                             ("PUT", "/v1/sessions/s/cached"), ("PUT", "/v1/sessions/t"),
                             ("POST", "/v1/nothing")]:
            with guarded.service.wire() as wire:
                # No byte of the body is ever sent.
                wire.open(Request(method, path, b"", *fields, *extra, length=length))
                wire.answer().problem(401, "unauthenticated")
    guarded.ask("GET", "/v1/sessions/t", None, guarded.admin).problem(404, "session-not-found")


def test_what_is_wrong_besides_comes_after_who_asks(guarded):
    for path in ("/v1/nothing", "/v1/sessions/none", "/v1/sessions?x=%zz", "/v1/sessions?x=1"):
        for method in ("GET", "PATCH"):
            assert guarded.ask(method, path).status == 401
    assert guarded.ask("PATCH", "/v1/sessions/none", None, guarded.read).status == 405
    assert guarded.ask("DELETE", "/v1/sessions/none?x=%zz", None, guarded.read).status == 403
    assert guarded.ask("POST", "/v1/sessions/none/parameters?x=1", b"x", guarded.read,
                       **{"Content-Type": "text/html"}).status == 403


# The file


def test_sighup_swaps_tokens_under_load(guarded):
    guarded.session()
    failures, done, counts = [], threading.Event(), [0, 0]

    def load(index, method, path, body, token):
        with guarded.service.client() as client:
            while not done.is_set():
                answer = client.request(method, path, body, bearer(token))
                counts[index] += 1
                if answer.status != 200:
                    failures.append(answer)
                    return

    threads = [threading.Thread(target=load, args=(0, "GET", "/v1/sessions/s", None, guarded.read)),
               threading.Thread(target=load, args=(1, "POST", "/v1/sessions/s/parameters", SMALL,
                                                   guarded.train))]
    for thread in threads:
        thread.start()
    try:
        old = None
        for turn in range(20):
            new = guarded.file.add(f"turn{turn}", "read")
            assert guarded.ask("GET", "/v1/sessions", None, new).status == 401, "not read yet"
            guarded.hang_up()
            assert guarded.ask("GET", "/v1/sessions", None, new).status == 200
            if old:
                assert guarded.ask("GET", "/v1/sessions", None, old).status == 401
            old = new
            guarded.file.drop(f"turn{turn}")
            seen = list(counts)
            eventually(lambda: failures or all(map(int.__gt__, counts, seen)), "a client stalls")
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not failures


def test_a_file_that_is_wrong_leaves_the_old_tokens(guarded, tmp_path):
    mistakes = [lambda: guarded.file.path.write_text(f"boss:admin:{guarded.admin}\n"),
                lambda: guarded.file.path.write_text(""),
                lambda: guarded.file.path.write_bytes(b"\xff\n"),
                lambda: guarded.file.path.chmod(0o644),
                lambda: guarded.file.path.unlink(),
                lambda: guarded.file.path.mkdir(),
                lambda: (guarded.file.path.rmdir(), os.mkfifo(guarded.file.path, 0o600))]
    for mistake in mistakes:
        mistake()
        assert "token file not read again" in guarded.hang_up()
        for token in (guarded.read, guarded.admin):
            assert guarded.ask("GET", "/v1/sessions", None, token).status == 200
    guarded.file.drop("boss")
    guarded.hang_up()
    assert guarded.ask("GET", "/v1/sessions", None, guarded.admin).status == 401
    assert guarded.ask("GET", "/v1/sessions", None, guarded.read).status == 200
    log = "".join(guarded.service.lines)
    assert "line 1: the third field has" in log and guarded.admin not in log
    # What was logged as an error was meant to be.
    guarded.service.lines.clear()


def test_no_log_line_and_no_answer_has_a_token(start_service, tokens):
    guarded = Guarded(start_service, tokens, "--log-level", "trace")
    guarded.session()
    wrong = ["mistyped-5f1c9a", "basic-77aa"]
    answers = []
    for token in [*guarded.file.secrets, wrong[0]]:
        for method, path, body, _ in ROUTES[:-1]:
            answers.append(guarded.ask(method, path, body, token))
        answers.append(guarded.ask("PUT", "/v1/sessions/x%20y", {}, token))
    for value in (f"Basic {wrong[1]}", f"Bearer {wrong[1]} x", wrong[1]):
        answers.append(guarded.ask("GET", "/v1/sessions", None, None, Authorization=value))
    with guarded.service.raw() as raw:
        raw.send(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer {guarded.admin}\r\n\r\n"
                 .encode())
        answers.append(raw.answer())
    guarded.hang_up()
    guarded.service.stop()
    text = "".join(guarded.service.lines)
    assert len(text) > 1000 and "trace" in text
    secrets = guarded.file.secrets + wrong
    digests = [line.split(":")[2] for line in guarded.file.lines]
    for secret in secrets + digests:
        assert secret not in text
        for answer in answers:
            assert secret.encode() not in answer.body and secret not in str(answer.headers)


@pytest.mark.once("no connection is made")
def test_config_show_has_the_path_only(tokens, tmp_path):
    secret = tokens.add("boss", "admin")
    shown = subprocess.run([BINARY, "config", "show", "--token-file", tokens.path], check=True,
                           capture_output=True, text=True, env={"HOME": str(tmp_path)})
    assert str(tokens) in shown.stdout
    for part in (secret, tokens.lines[0].split(":")[2]):
        assert part not in shown.stdout + shown.stderr


# Starts


def starts(arguments, folder, wrapper=()):
    """Whether the service starts, as (status or None, what it said); one that starts is stopped."""
    process = subprocess.Popen(
        [*wrapper, BINARY, "serve", "--data-directory", folder / "data", "--runtime-directory",
         folder / "runtime", *arguments], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True, env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    said = ""
    for line in process.stderr:
        said += line
        if "listening on" in line:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            process.stderr.close()
            return None, said
    process.stderr.close()
    return process.wait(PATIENCE), said


LOCAL = ("--listen", "127.0.0.1:0")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
@pytest.mark.once("starts, not answers, are looked at")
def test_other_machines_are_listened_to_only_if_somebody_says_who_may(address, tokens, tmp_path):
    if address.startswith("["):
        try:
            socket.create_server(("::", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
    tokens.add("boss", "admin")
    listen = ("--listen", address)
    status, said = starts(listen, tmp_path)
    assert status == 64 and address in said
    assert "--token-file" in said and "--allow-anonymous" in said
    assert starts([*listen, *LOCAL], tmp_path)[0] == 64
    assert starts([*listen, "--allow-anonymous"], tmp_path)[0] is None
    assert starts([*listen, "--token-file", tokens.path], tmp_path)[0] is None
    assert starts(LOCAL, tmp_path)[0] is None
    assert starts(["--listen", f"unix:{tmp_path}/socket"], tmp_path)[0] is None


@pytest.mark.once("starts, not answers, are looked at")
def test_allow_anonymous_changes_nothing_beside_a_token_file(start_service, tokens):
    guarded = Guarded(start_service, tokens, "--allow-anonymous")
    assert guarded.ask("GET", "/v1/sessions").status == 401


@pytest.mark.once("starts, not answers, are looked at")
def test_modes_of_the_token_file(tokens, tmp_path):
    tokens.add("boss", "admin")
    arguments = [*LOCAL, "--token-file", tokens.path]
    for mode in (0o600, 0o400, 0o700):
        tokens.path.chmod(mode)
        assert starts(arguments, tmp_path)[0] is None, oct(mode)
    for mode in (0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666):
        tokens.path.chmod(mode)
        status, said = starts(arguments, tmp_path)
        assert status == 64 and f"chmod 600 {tokens}" in said, oct(mode)


@pytest.mark.once("starts, not answers, are looked at")
def test_owners_of_the_token_file():
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a file away")
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
    if subprocess.run([*nobody, BINARY, "--help"], capture_output=True).returncode != 0:
        pytest.skip(f"{BINARY} is closed to other users")
    with tempfile.TemporaryDirectory(prefix="polyak-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o711)
        home = folder / "home"
        home.mkdir()
        os.chown(home, 65534, 65534)
        tokens = TokenFile(folder / "tokens")
        tokens.add("boss", "admin")
        # Kubernetes mounts a secret by links.
        link = folder / "link"
        link.symlink_to(tokens.path)
        for mode, owner, group, fix in [
                (0o440, 0, 65534, None), (0o644, 0, 0, None), (0o600, 65534, 65534, None),
                (0o664, 0, 0, "chmod go-w"), (0o646, 0, 0, "chmod go-w"),
                (0o640, 65534, 65534, "chmod 600"), (0o644, 65533, 65533, "chown it to 65534"),
                (0o600, 0, 0, "Permission denied: let user 65534, whom the service runs as")]:
            tokens.path.chmod(mode)
            os.chown(tokens.path, owner, group)
            status, said = starts([*LOCAL, "--token-file", link], home, nobody)
            assert status == (None if fix is None else 64), (oct(mode), owner, said)
            assert fix is None or fix in said
        os.chown(tokens.path, 65534, 65534)
        status, said = starts([*LOCAL, "--token-file", link], folder)
        assert status == 64
        assert "chown it to 0 or to root, or run this as user 65534" in said


@pytest.mark.once("starts, not answers, are looked at")
def test_what_is_no_token_file(tokens, tmp_path):
    tokens.add("boss", "admin")
    good = tokens.path.read_text()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, reason in [(tmp_path / "none", "No such file"), (tmp_path, "is no regular file"),
                         (tmp_path / "pipe", "is no regular file")]:
        status, said = starts([*LOCAL, "--token-file", path], tmp_path)
        assert status == 64 and reason in said
    limit = ["--identities", "3"]
    for text, reason in [
            ("", "has no identity"), (good + "x\n", "line 2: has 1 field"),
            (good.replace("\n", "\r\n"), "line 1: the third field has 65"),
            (good + "a:read:certificate\nb:read:certificate\nc:read:certificate\n", "line 4"),
            (good + "#" * 3072, "is longer than 3072 bytes")]:
        tokens.path.write_text(text)
        status, said = starts([*LOCAL, *limit, "--token-file", tokens.path], tmp_path)
        assert status == 64 and reason in said, said
    for text in (good + "a:read:certificate\nb:read:certificate", good + "# x\n\n" + "#" * 2900):
        tokens.path.write_text(text)
        assert starts([*LOCAL, *limit, "--token-file", tokens.path], tmp_path)[0] is None


# polyak token


def make_token(*arguments):
    return subprocess.run([BINARY, "token", *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.once("no connection but the last")
def test_polyak_token_makes_what_the_service_takes(start_service, tmp_path):
    path = tmp_path / "made"
    made = [make_token("ann", "train", "--append", path),
            make_token("bob", "read", "run-", "--append", path)]
    assert path.stat().st_mode & 0o7777 == 0o600
    shown = make_token("eve", "admin")
    line = re.fullmatch(r"line for the token file: (eve:admin:[0-9a-f]{64})\n", shown.stderr)
    # An editor may have left out the last line's end.
    with path.open("a") as file:
        file.write(f"# by hand\n{line[1]}")
    made += [shown, make_token("ann", "train", "--append", path)]
    tokens = [one.stdout.strip() for one in made]
    assert len(set(tokens)) == 4
    for one, token in zip(made, tokens):
        assert one.returncode == 0 and re.fullmatch(r"[A-Za-z0-9_-]{43}\n", one.stdout), one
        assert token not in path.read_text() + one.stderr
    assert not made[0].stderr
    service = start_service("--token-file", path)
    with service.client() as client:
        for token in tokens:
            assert client.get("/v1/sessions", bearer(token)).status == 200
        assert client.get("/v1/sessions/other", bearer(tokens[1])).status == 404


@pytest.mark.once("no connection is made")
def test_polyak_token_adds_no_line_that_would_be_refused(tmp_path):
    path = tmp_path / "made"
    for arguments in (["a:b", "train"], ["ann", "root"], ["ann", "train", "a/b"]):
        for extra in ([], ["--append", path]):
            failed = make_token(*arguments, *extra)
            assert failed.returncode == 1 and "line 1: " in failed.stderr and not failed.stdout
    assert not path.exists()
    assert make_token("ann", "train", "--append", path).returncode == 0
    before = path.read_bytes()
    assert "line 2: has the name of line 1" in make_token("ann", "read", "--append", path).stderr
    path.chmod(0o644)
    assert "chmod 600" in make_token("bob", "read", "--append", path).stderr
    assert path.read_bytes() == before


# Quotas


def test_sessions_of_one_identity_also_after_a_restart(tokens):
    ann, bob = tokens.add("ann", "admin"), tokens.add("bob", "admin")
    with Home("--token-file", tokens.path, "--sessions-per-identity", 2) as home:
        def create(name, token):
            with home.service.client() as client:
                return client.request("PUT", f"/v1/sessions/{name}", UNIFORM, bearer(token))
        home.start()
        assert create("a1", ann).status == 201
        assert create("a2", ann).status == 201
        assert "ann" in create("a3", ann).problem(429, "quota-exceeded")["detail"]
        assert create("a2", ann).status == 200
        assert create("b1", bob).json()["owner"] == "bob"
        home.kill()
        home.start()
        create("a3", ann).problem(429, "quota-exceeded")
        with home.service.client() as client:
            # Whoever deletes it, it was hers.
            assert client.request("DELETE", "/v1/sessions/a1", None, bearer(bob)).status == 204
        assert create("a3", ann).status == 201
        create("a4", ann).problem(429, "quota-exceeded")
        assert create("b2", bob).status == 201
        home.stop()
        # Without the memory of the process before.
        for entry in home.runtime.iterdir():
            subprocess.run(["rm", "-rf", entry], check=True)
        home.start()
        create("b3", bob).problem(429, "quota-exceeded")
        home.stop()


@contextlib.contextmanager
def uploads_in_progress(service, paths, token=None):
    """An upload of which a byte is missing, to each of the sessions."""
    fields = [f"{name}: {value}" for name, value in bearer(token).items()]
    with contextlib.ExitStack() as stack:
        wires = []
        for path in paths:
            wire = stack.enter_context(service.wire())
            wire.open(upload_to(path, SMALL[:-1], *fields, length=len(SMALL)))
            wires.append(wire)
        yield wires


@pytest.mark.parametrize("of_identity", [False, True])
def test_uploads_in_progress(start_service, tokens, of_identity):
    setting = "--uploads-per-identity" if of_identity else "--uploads"
    guarded = Guarded(start_service, tokens, setting, 3)
    names = [f"/v1/sessions/s{number}" for number in range(4)]
    for path in names:
        guarded.session(path.split("/")[-1])

    def upload(token=guarded.train, path=f"{names[3]}/parameters"):
        return guarded.ask("POST", path, SMALL, token)

    def cache(token=guarded.train):
        return guarded.ask("PUT", f"{names[3]}/cached", b"x", token)

    with uploads_in_progress(guarded.service, names[:2], guarded.train) as wires:
        for _ in range(3):
            assert upload().status == 200 and cache().status in (200, 201)
        with uploads_in_progress(guarded.service, names[2:3], guarded.train) as [third]:
            eventually(lambda: upload().status == 429, "the third upload did not count")
            for answer in (upload(), cache()):
                assert answer["Retry-After"]
                assert "3 uploads" in answer.problem(429, "too-many-uploads")["detail"]
            for answer in (upload(guarded.admin), cache(guarded.admin)):
                assert answer.status in ((200, 201) if of_identity else (429,))
            # Reading and reports go on.
            report = guarded.ask("POST", f"{names[3]}/epochs", {}, guarded.train)
            assert report.status == 200
            assert third.complete(SMALL[-1:]).status == 200
            assert upload().status == 200
        for wire in wires:
            wire.close()
        eventually(lambda: upload().status == 200, "an upload that was cut still counts")


def test_memory_of_sessions(start_service):
    megabyte = encode({"w": np.ones(1 << 18, np.float32)})
    service = start_service("--session-bytes", "5MiB", "--all-session-bytes", "7MiB")
    unstarted = {"strategy": "nta", "epochs": 10}
    with service.client() as client:
        def create(name, *averages):
            named = {f"average{number}": one for number, one in enumerate(averages)}
            return client.session({"averages": named}, name)

        single, other, third = (create(name, UNIFORM) for name in ("s", "t", "u"))
        triple = create("triple", UNIFORM, UNIFORM, unstarted)
        empty = service.runtime_bytes()
        detail = triple.upload(megabyte).problem(507, "insufficient-storage")["detail"]
        # Two buffers for each average, started or not, each with a small header.
        need, allowed = map(int, re.search(r"need (\d+) bytes.* may have (\d+)$", detail).groups())
        assert 6 << 20 < need < (6 << 20) + 6 * 1024 and allowed == 5 << 20
        assert service.runtime_bytes() < empty + (64 << 10), "refused before memory was taken"
        pair = create("pair", UNIFORM, unstarted)
        pair.fold(megabyte)
        single.fold(megabyte)
        detail = other.upload(megabyte).problem(507, "insufficient-storage")["detail"]
        need, allowed, held = map(int, re.search(
            r"need (\d+) .* may have (\d+), and have (\d+)", detail).groups())
        assert allowed == 7 << 20 and 6 << 20 < held < (6 << 20) + 6 * 1024
        for session in (pair, single):
            session.fold(megabyte)
        other.fold(SMALL)
        assert client.request("DELETE", single.path).status == 204
        third.fold(megabyte)
