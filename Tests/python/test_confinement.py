"""What the service can do without: privileges, a writable system, and the network outside."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import numpy as np
import pytest

from harness import BINARY, Service, eventually
from models import encode
from tokens import TokenFile, bearer

MODEL = {"w": np.arange(5, dtype=np.float32)}
NOBODY = 65534

# Everything becomes read-only but the directories given first, whose file systems are new; then
# the rest of the arguments becomes the process, of a user without any privilege.
CONFINE = """
set -e
writable="$1 $2"
shift 2
for folder in $writable; do
    mount -t tmpfs -o mode=700,uid=65534,gid=65534,nosuid,nodev,noexec confined "$folder"
done
findmnt -rno TARGET | while read -r place; do
    case " $writable " in *" $place "*) continue ;; esac
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set=-all \\
    --inh-caps=-all "$@"
"""


def session_life(service, token):
    """Everything that makes the service write, read, send and forget."""
    with service.client() as client:
        def ask(method, path, body=None):
            answer = client.request(method, f"/v1/sessions{path}", body, bearer(token))
            assert answer.status in (200, 201, 204), answer
            return answer
        ask("PUT", "/s", {"rule": {"name": "uniform"}, "durability": "disk"})
        ask("POST", "/s/parameters", encode(MODEL))
        ask("POST", "/s/epochs", {"epoch": 1, "loss": 2})
        ask("PUT", "/s/cached", b"weights")
        assert ask("GET", "/s/cached").body == b"weights"
        assert ask("GET", "/s/averages/main").model().keys() == MODEL.keys()
        ask("DELETE", "/s")
        ask("PUT", "/t", {"rule": {"name": "uniform"}})
        ask("POST", "/t/parameters", encode(MODEL))


@pytest.fixture
def open_folder():
    """A folder that every user may look into."""
    with tempfile.TemporaryDirectory(prefix="polyak-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o711)
        for part in ("data", "runtime"):
            (folder / part).mkdir()
        yield folder


@pytest.fixture
def tokens(open_folder):
    tokens = TokenFile(open_folder / "tokens")
    tokens.add("boss", "admin")
    return tokens


@pytest.mark.once("what the process may do is looked at")
def test_an_ordinary_user_with_a_read_only_system(open_folder, tokens):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"]).returncode != 0:
        pytest.skip("needs root and mount namespaces, to take both away")
    if subprocess.run(["setpriv", "--reuid", str(NOBODY), BINARY, "--help"],
                      capture_output=True).returncode != 0:
        pytest.skip(f"{BINARY} is closed to other users")
    os.chown(tokens.path, NOBODY, NOBODY)
    data, runtime = open_folder / "data", open_folder / "runtime"
    confine = ["unshare", "-m", "--propagation", "private", "sh", "-c", CONFINE, "sh",
               data, runtime]
    # The cage is one: nothing can be written but in the two directories.
    tried = subprocess.run(
        [*confine, "sh", "-c", f"id -u; touch {data}/x {runtime}/x && echo inside; "
         f"for place in / /tmp /dev/shm /var/tmp /etc {open_folder} {os.getcwd()}; do "
         "touch $place/x && echo outside; done; grep -E 'Cap(Eff|Bnd)|NoNewPrivs' "
         "/proc/self/status"],
        capture_output=True, text=True, check=True)
    assert re.sub(r"\s+", " ", tried.stdout) == (
        f"{NOBODY} inside CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 ")
    service = Service("--token-file", tokens.path, data=data, runtime=runtime, wrapper=confine,
                      environment={"HOME": "/nonexistent"})
    session_life(service, tokens.secrets[0])
    status = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{NOBODY}\s", status, re.M)
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: any("token file read again" in line for line in service.lines), "SIGHUP")
    service.stop()


@pytest.mark.once("what the process may do is looked at")
def test_no_connection_is_made_to_anywhere(open_folder, tokens):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    log = open_folder / "calls"
    # -D: the service stays the process that is started, and gets the signals.
    strace = ["strace", "-D", "-f", "-q", "-o", log,
              "-e", "trace=socket,connect,sendto,sendmsg,sendmmsg"]
    if subprocess.run([*strace, "true"]).returncode != 0:
        pytest.skip("strace may not trace here")
    service = Service("--token-file", tokens.path, "--listen", "localhost:0", wrapper=strace)
    session_life(service, tokens.secrets[0])
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: any("token file read again" in line for line in service.lines), "SIGHUP")
    service.stop()
    # The tracer ends after the service.
    eventually(lambda: "+++ exited with 0 +++" in log.read_text(), "strace did not end")
    calls = [line for line in log.read_text().splitlines() if "(" in line]
    assert any("AF_INET" in call and "socket(" in call for call in calls), "nothing was traced"
    for call in calls:
        # Port 0: which of a name's addresses is nearer; the C library asks so, and sends nothing.
        assert "connect(" not in call or "AF_UNIX" in call or "port=htons(0)" in call, call
        assert not re.search(r"send(to|m?msg)\(.*sin6?_(addr|port)", call), call
        assert not re.search(r"AF_(INET6?|PACKET), SOCK_RAW", call), call
