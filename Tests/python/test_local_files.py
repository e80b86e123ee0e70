"""Uploads by reference: a file beneath an allowed directory, or a descriptor that is passed."""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import socket
import stat

import numpy as np
import pytest

import oracle
from harness import (Request, Service, Wire, eventually, request_bytes, upload_bytes, upload_to,
                     wait_until_read)
from models import assert_same, encode, tensor
from repeated import Repeated

REFERENCE = "application/vnd.polyak.local-file+json"
SETTINGS = {"averages": {"main": {"rule": {"name": "ema", "decay": 0.75}},
                         "mean": {"rule": {"name": "uniform"}}}}
# Larger than what is read at once, with ends that no boundary fits.
SIZES = {"a": (300_001, "F32"), "b": (70_003, "BF16"), "c": (5, "F64"), "d": (100_000, "F16"),
         "e": (1, "I64"), "f": (0, "F32"), "g": (33, "U8"), "h": (200_001, "F64")}


def model(seed):
    random = np.random.default_rng(seed)
    return {name: tensor(random.standard_normal(size) * 90, dtype)
            if dtype[0] in "FB" else tensor(random.integers(0, 90, size), dtype)
            for name, (size, dtype) in SIZES.items()}


MODELS = [model(seed) for seed in range(4)]
SMALL = {"w": np.arange(6, dtype=np.float32)}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models").resolve()
    running = Service("--local-files", folder, unix=True)
    running.files = folder
    yield running
    running.stop()


@pytest.fixture
def session(local):
    with local.client() as client, client.session(SETTINGS) as made:
        yield made


@pytest.fixture
def small(local):
    """A session with one folded model, which the test must leave as it is."""
    with local.client() as client, client.session({"rule": {"name": "uniform"}}) as made:
        made.fold(SMALL)
        yield made
        assert made.state()["revision"] == 1
        assert_same(made.average().model(), {"w": tensor(SMALL["w"])})


def refer(session, body, client=None, **options):
    """Posts the reference over the session's TCP connection."""
    body = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": REFERENCE, **options.pop("headers", {})}
    return (client or session.client).request(
        "POST", f"{session.path}/parameters", body, headers, **options)


def reference(path, body, *fields):
    return Request("POST", f"{path}/parameters", json.dumps(body).encode(),
                   f"Content-Type: {REFERENCE}", *fields)


def give(raw, session, descriptors, index=0):
    """Passes descriptors with a request over a Unix socket; the answer."""
    request = bytes(reference(session.path, {"descriptor": index}))
    assert socket.send_fds(raw.socket, [request], descriptors) == len(request)
    return raw.answer()


@contextlib.contextmanager
def memfd(content=b"", seals=None):
    number = os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rewrite(number, content)
        if seals is not None:
            fcntl.fcntl(number, fcntl.F_ADD_SEALS, seals)
        yield number
    finally:
        os.close(number)


def rewrite(number, content):
    written = 0
    while written < len(content):
        written += os.pwrite(number, content[written:], written)


def mapped(service):
    maps = pathlib.Path(f"/proc/{service.process.pid}/maps").read_text()
    return sum("memfd:" in line for line in maps.splitlines())


def check(session, models):
    expected = oracle.Session(SETTINGS)
    for each in models:
        expected.apply(each)
    for name in SETTINGS["averages"]:
        assert_same(session.average(name).model(), expected[name].model)


# What is right

@pytest.mark.parametrize("spelling", ["relative", "absolute", "with dots"])
def test_a_file_is_folded_as_if_it_were_sent(local, session, spelling):
    (local.files / "run" / "deep").mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(MODELS):
        name = f"run/deep/{number}.safetensors"
        (local.files / name).write_bytes(encode(each))
        path = {"relative": name, "absolute": str(local.files / name),
                "with dots": f"run/./deep/../deep/{number}.safetensors"}[spelling]
        answer = refer(session, {"path": path}, step=number)
        assert answer.status == 200 and answer.json()["applied"], answer
    check(session, MODELS)


@pytest.mark.http1_only("descriptors that are passed")
@pytest.mark.parametrize("seals", [None, fcntl.F_SEAL_GROW, fcntl.F_SEAL_SHRINK,
                                   fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW])
def test_one_memfd_is_folded_again_and_again(local, session, seals):
    content = [encode(each) for each in MODELS]
    with local.raw(unix=True) as raw, memfd(content[0], seals) as number:
        for each in content:
            rewrite(number, each)
            answer = give(raw, session, [number])
            assert answer.status == 200, answer
        sealed = bool(seals and seals & fcntl.F_SEAL_SHRINK)
        eventually(lambda: mapped(local) == sealed, lambda: f"{mapped(local)} memfds are mapped")
    check(session, MODELS)
    session.client.request("DELETE", session.path)
    eventually(lambda: mapped(local) == 0, "a deleted session keeps a memfd mapped")
    session.client.request("PUT", session.path, SETTINGS)


@pytest.mark.http1_only("descriptors that are passed")
def test_a_new_memfd_for_each_upload_leaves_none_behind(local, session):
    with local.raw(unix=True) as raw:
        for each in MODELS:
            with memfd(encode(each), fcntl.F_SEAL_SHRINK) as number:
                assert give(raw, session, [number]).status == 200
    check(session, MODELS)
    eventually(lambda: mapped(local) == 0, "a memfd that came once is mapped")


@pytest.mark.http1_only("descriptors that are passed")
def test_a_memfd_may_grow_between_uploads(local, session):
    pair = [{"x": np.arange(9, dtype=np.float32), "y": tensor(np.arange(4.0), kind)}
            for kind in ("F16", "F64", "F32", "F64")]
    with local.raw(unix=True) as raw, memfd(encode(pair[0]), fcntl.F_SEAL_SHRINK) as number:
        for each in pair[:2]:
            rewrite(number, encode(each))
            assert give(raw, session, [number]).status == 200
        # Shorter contents leave the end of the longer ones behind: not a model.
        rewrite(number, encode(pair[2]))
        give(raw, session, [number]).problem(400, "malformed-model")
        rewrite(number, encode(pair[3]))
        assert give(raw, session, [number]).status == 200
    check(session, [pair[0], pair[1], pair[3]])


@pytest.mark.http1_only("descriptors that are passed")
def test_any_regular_file_may_be_passed_and_any_of_those_passed_used(local, session, tmp_path):
    (tmp_path / "model").write_bytes(encode(MODELS[0]))
    with local.raw(unix=True) as raw, open(tmp_path / "model", "rb") as file, memfd(b"x") as other:
        assert give(raw, session, [other, other, file.fileno()], index=2).status == 200
    check(session, MODELS[:1])


@pytest.mark.http1_only("descriptors that are passed")
def test_one_connection_mixes_all_kinds(local, session):
    (local.files / "mixed").write_bytes(encode(MODELS[1]))
    with local.raw(unix=True) as raw, memfd(encode(MODELS[2]), fcntl.F_SEAL_SHRINK) as number:
        assert raw.ask(upload_to(session.path, encode(MODELS[0]))).status == 200
        assert raw.ask(reference(session.path, {"path": "mixed"})).status == 200
        assert give(raw, session, [number]).status == 200
    check(session, MODELS[:3])


def test_it_waits_for_its_turn(local, session):
    sent = encode(MODELS[0])
    (local.files / "waiting").write_bytes(encode(MODELS[1]))
    with local.wire() as first, local.wire() as second:
        first.open(upload_to(session.path, b"", "Expect: 100-continue", length=len(sent)))
        assert first.head()[0] == 100
        first.more(sent[:-1000])
        second.open(reference(session.path, {"path": "waiting"}))
        wait_until_read(second.socket)
        # It is read at its turn, so until then the file may still be written.
        first.more(sent[-1000:])
        assert first.answer().json()["revision"] == 1
        assert second.answer().json()["revision"] == 2
    check(session, MODELS[:2])


def test_it_survives_a_power_cut_where_that_was_promised(local):
    (local.files / "disk").write_bytes(encode(SMALL))
    with local.client() as client, client.session({"durability": "disk"} | SETTINGS) as session:
        assert refer(session, {"path": "disk"}).status == 200
        state = session.state()
        assert state["durable_revision"] == state["revision"] == 1


def test_steps_and_keys_hold_for_it(local, session):
    (local.files / "key").write_bytes(encode(MODELS[0]))
    (local.files / "other").write_bytes(encode(MODELS[1]))
    first = refer(session, {"path": "key"}, step=3, headers={"Idempotency-Key": "k"})
    assert first.status == 200
    again = refer(session, {"path": "key"}, step=3, headers={"Idempotency-Key": "k"})
    assert again.body == first.body
    refer(session, {"path": "other"}, step=3, headers={"Idempotency-Key": "k"}) \
        .problem(422, "idempotency-key-reused")
    assert refer(session, {"path": "other"}, step=3).json()["duplicate"]
    refer(session, {"path": "other"}, step=2).problem(409, "stale-step")
    check(session, MODELS[:1])


def test_before_the_start_nothing_is_read(local):
    with local.client() as client, local.wire() as wire, \
            client.session({"strategy": "nta", "epochs": 100}) as session:
        assert not refer(session, {"path": "there is none"}).json()["applied"]
        request = reference(session.path, {"path": "x"}, "Expect: 100-continue")
        request.body = b""
        assert not wire.ask(request).json()["applied"]


def test_to_one_that_expects_100_the_body_is_asked_for(local, session):
    (local.files / "expected").write_bytes(encode(MODELS[0]))
    with local.wire() as wire:
        request = reference(session.path, {"path": "expected"}, "Expect: 100-continue")
        body, request.body = request.body, b""
        wire.open(request)
        assert wire.head()[0] == 100
        assert wire.complete(body).status == 200
    check(session, MODELS[:1])


# What is refused

def lead_astray(folder, tmp):
    """Names under `folder` that lead nowhere they may."""
    (tmp / "outside").write_bytes(encode(SMALL))
    for name, target in {"link": tmp / "outside", "inward": "good", "up": tmp}.items():
        (folder / name).symlink_to(target)
    (folder / "good").write_bytes(encode(SMALL))
    (folder / "directory").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "secret").write_bytes(encode(SMALL))
    with contextlib.suppress(PermissionError):
        os.mknod(folder / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))


@pytest.fixture(scope="module")
def astray(local, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("elsewhere").resolve()
    lead_astray(local.files, tmp)
    return tmp


@pytest.mark.parametrize("path,status", [
    ("../{above}/outside", 403), ("directory/../../x", 403), ("/etc/hostname", 403),
    ("{elsewhere}/outside", 403), ("{files}/../x", 403), ("link", 403), ("inward", 403),
    ("up/outside", 403), ("directory", 403), (".", 403), ("fifo", 403), ("socket", 403),
    ("device", 403), ("absent", 404), ("good/below", 404), ("absent/below", 404),
    ("x" * 300, 404), ("y/" * 3000, 404), ("{files}-more/good", 403), ("/proc/self/fd/0", 403)])
def test_a_path_that_leads_astray_is_refused(local, small, astray, path, status):
    if path == "device" and not (local.files / "device").exists():
        pytest.skip("only root makes device files")
    path = path.format(above=astray.name, elsewhere=astray, files=local.files)
    refer(small, {"path": path}).problem(status, {403: "forbidden", 404: "not-found"}[status])


@pytest.mark.http1_only("descriptors that are passed")
@pytest.mark.parametrize("kind", ["directory", "pipe", "device", "socket", "path", "write-only"])
def test_a_descriptor_of_no_readable_file_is_refused(local, small, tmp_path, kind):
    (tmp_path / "model").write_bytes(encode(SMALL))
    with contextlib.ExitStack() as stack, local.raw(unix=True) as raw:
        opened = {
            "directory": lambda: [os.open(tmp_path, os.O_RDONLY)],
            "pipe": lambda: list(os.pipe()),
            "device": lambda: [os.open("/dev/zero", os.O_RDONLY)],
            "socket": lambda: [each.detach() for each in socket.socketpair()],
            "path": lambda: [os.open(tmp_path / "model", os.O_PATH)],
            "write-only": lambda: [os.open(tmp_path / "model", os.O_WRONLY)]}[kind]()
        for each in opened:
            stack.callback(os.close, each)
        give(raw, small, opened[:1]).problem(403, "forbidden")
        # The connection is as good as before.
        assert raw.ask(Request("GET", "/livez")).status == 200


@pytest.mark.parametrize("body,status,name", [
    (b"", 400, "malformed-json"), (b"{", 400, "malformed-json"), (b"[]", 400, "malformed-request"),
    (b'{"path":""}', 400, "malformed-request"), (b'{"path":3}', 400, "malformed-request"),
    (b'{"path":"a\\u0000b"}', 400, "malformed-request"), (b"{}", 400, "malformed-request"),
    (b'{"path":"a","path":"b"}', 400, "malformed-json"),
    (b'{"path":"a","descriptor":0}', 400, "malformed-request"),
    (b'{"descriptor":0}', 400, "malformed-request"),
    (b'{"descriptor":-1}', 400, "malformed-request"),
    (b'{"descriptor":"0"}', 400, "malformed-request"),
    (b'{"file":"a"}', 400, "malformed-request"), (b" " * (1 << 20) + b"{}", 413, "too-large")],
    ids=lambda value: str(value)[:30])
def test_a_body_that_names_nothing_is_refused(small, body, status, name):
    refer(small, body).problem(status, name)


BAD = [(b"", 400, "malformed-model"), (b"1234567", 400, "malformed-model"),
       (encode(SMALL)[:-1], 400, "malformed-model"), (encode(SMALL) + b"x", 400, "malformed-model"),
       (encode(SMALL)[:20], 400, "malformed-model"), (b"\xff" * 64, 413, "too-large"),
       (encode({"v": SMALL["w"]}), 422, "layout-mismatch"),
       (encode({"w": np.full(6, np.inf, np.float32)}), 422, "non-finite")]


@pytest.mark.parametrize("content,status,name", BAD, ids=[str(index) for index in range(len(BAD))])
@pytest.mark.parametrize("kind", ["path", "memfd", "sealed"])
def test_a_bad_model_leaves_the_average_as_it_was(local, small, kind, content, status, name):
    if kind == "path":
        (local.files / "bad").write_bytes(content)
        refer(small, {"path": "bad"}).problem(status, name)
        return
    with local.raw(unix=True) as raw, \
            memfd(content, fcntl.F_SEAL_SHRINK if kind == "sealed" else None) as number:
        give(raw, small, [number]).problem(status, name)


def test_the_first_value_that_is_not_finite_is_named(local, session):
    large = {"a": np.zeros(500_000, np.float32), "b": np.zeros(900_000, np.float32)}
    for name, index in (("a", 499_999), ("b", 3), ("b", 700_000)):
        large[name][index] = np.nan
    (local.files / "large").write_bytes(encode(large))
    problem = refer(session, {"path": "large"}).problem(422, "non-finite")
    assert (problem["tensor"], problem["index"]) == ("a", 499_999)


def test_it_is_off_by_default(start_service):
    service = start_service(unix=True)
    with service.client() as client, client.session(SETTINGS) as session, \
            service.raw(unix=True) as raw, memfd(encode(SMALL)) as number:
        problem = refer(session, {"path": "x"}).problem(415, "unsupported-format")
        assert "--local-files" in problem["detail"]
        # Until it is answered, the connection may not be among the service's descriptors.
        assert raw.ask(Request("GET", "/livez")).status == 200
        before = service.descriptors()
        give(raw, session, [number] * 8).problem(415, "unsupported-format")
        eventually(lambda: service.descriptors() <= before, "descriptors are left open")


def test_other_hosts_may_not_name_files(start_service, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    (tmp_path / "x").write_bytes(encode(SMALL))
    service = start_service("--local-files", tmp_path, "--listen", f"{address}:0",
                            "--allow-anonymous")
    line = f"listening on http://{address}:"
    eventually(lambda: any(each.startswith(line) for each in service.lines), "it does not listen")
    port = int(next(each for each in service.lines if each.startswith(line))[len(line):])
    with service.client() as client, client.session(SETTINGS) as session:
        with Wire(socket.create_connection((address, port))) as remote:
            remote.ask(reference(session.path, {"path": "x"})).problem(403, "forbidden")
        assert refer(session, {"path": "x"}).status == 200


# What trainers do meanwhile

def disturbing(number, content):
    """Shortens the file and writes it again, over and over."""
    sizes = itertools.count(step=99_991)

    def disturb():
        os.ftruncate(number, next(sizes) % len(content))
        rewrite(number, content)

    return Repeated(disturb)


@pytest.mark.parametrize("kind", ["path", "memfd"])
def test_shortening_the_file_meanwhile_harms_nobody(local, kind):
    content = encode({"w": np.ones(1_000_000, np.float32)})
    settings = {"averages": {"main": {"rule": {"name": "latest"}}}}
    with contextlib.ExitStack() as stack, local.client() as client, local.raw(unix=True) as raw, \
            client.session(settings) as session:
        if kind == "path":
            number = os.open(local.files / "shortened", os.O_RDWR | os.O_CREAT)
            stack.callback(os.close, number)
        else:
            number = stack.enter_context(memfd())
        rewrite(number, content)

        def upload():
            if kind == "path":
                return refer(session, {"path": "shortened"})
            return give(raw, session, [number])

        folded, refused = 0, 0
        with disturbing(number, content):
            # However the two take turns on this machine, some must meet a short file.
            while folded + refused < 200 or folded + refused < 5000 and refused == 0:
                answer = upload()
                if answer.status == 200:
                    folded += 1
                else:
                    answer.problem(400, "malformed-model")
                    refused += 1
                assert session.state()["revision"] == folded
        assert refused > 0
        assert upload().status == 200
        assert session.average().body[-4_000_000:] == content[-4_000_000:]


@pytest.mark.http1_only("descriptors that are passed")
def test_no_descriptor_is_left_open(local, session):
    (local.files / "fine").write_bytes(encode(MODELS[0]))
    good = encode(MODELS[0])
    # From now on the session has all of its own files.
    for _ in range(2):
        assert refer(session, {"path": "fine"}).status == 200
    before = local.descriptors()
    with memfd(good) as number, memfd(good, fcntl.F_SEAL_SHRINK) as sealed:
        for _ in range(20):
            with local.raw(unix=True) as raw:
                assert give(raw, session, [number, sealed, number, sealed], index=1).status == 200
                give(raw, session, [number] * 9, index=4).problem(400, "malformed-request")
                give(raw, session, [number] * 2, index=2).problem(400, "malformed-request")
                request = request_bytes("GET", "/livez")
                socket.send_fds(raw.socket, [request], [number] * 3)
                assert raw.answer().status == 200
                # What came with the request before does not count for this one.
                refused = raw.ask(reference(session.path, {"descriptor": 0}))
                refused.problem(400, "malformed-request")
                request = upload_bytes(session.path, good)
                socket.send_fds(raw.socket, [request[:100]], [number])
                raw.send(request[100:])
                assert raw.answer().status == 200
            with local.raw(unix=True) as raw:
                # In the middle of a head, of a body, and after nonsense.
                socket.send_fds(raw.socket, [b"POST /v1"], [number] * 3)
            with local.raw(unix=True) as raw:
                request = bytes(reference(session.path, {"descriptor": 0}))
                socket.send_fds(raw.socket, [request[:-2]], [number])
            with local.raw(unix=True) as raw:
                socket.send_fds(raw.socket, [b"\0\r\n\r\n"], [number] * 3)
            refer(session, {"path": "absent"}).problem(404, "not-found")
            assert refer(session, {"path": "fine"}).status == 200
    eventually(lambda: local.descriptors() <= before,
               lambda: f"{local.descriptors()} descriptors instead of {before}")
