"""The slow attacks of Debian's slowhttptest, 1,000 connections each: `slowhttp.py [SECONDS]`.

Prints its verdict beside our own figures.
"""

import pathlib
import re
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import siege  # noqa: E402
from attack import Outcome  # noqa: E402
from attacked import PATH, TYPE  # noqa: E402
from run import serving  # noqa: E402

COUNT = 1000
RUNS = {
    "slow heads": ("-H", "/livez", "-i", "2"),
    "slow bodies": ("-B", f"{PATH}/parameters", "-i", "2", "-s", "100000", "-f", TYPE),
    "slow readers": ("-X", f"{PATH}/averages/main", "-n", "1", "-z", "32", "-k", "3"),
    "ranges": ("-R", f"{PATH}/averages/main", "-t", "HEAD"),
}


def run(service, seconds, kind, path, *options):
    done = subprocess.run(
        ["slowhttptest", "-c", str(COUNT), "-r", "500", "-l", str(seconds), "-p", "2", kind,
         "-u", f"http://127.0.0.1:{service.port}{path}", *options],
        stdout=subprocess.PIPE, text=True, check=True)

    plain = re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", done.stdout)

    def last(name):
        return re.findall(rf"{name}:\s+(.+)", plain)[-1].strip()

    text = (f"available: {last('service available')}; {last('closed')} closed by the service; "
            f"{last('Exit status')}")
    return Outcome(False, text, COUNT, 0, COUNT, seconds)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 35
    siege.print_headings()
    with serving(()) as service:
        for name, arguments in RUNS.items():
            siege.print_row(siege.cells(siege.beside(
                service, name, lambda: run(service, seconds, *arguments))))


if __name__ == "__main__":
    main()
