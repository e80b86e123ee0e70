"""The preloaded library that makes the N-th file operation fail (Tests/Faults/faultlib.c)."""

import functools
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "Faults" / "faultlib.c"


@functools.cache
def library():
    """The built library, by clang where there is no cc: it comes with Swift."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler to build Tests/Faults/faultlib.c with")
    built = pathlib.Path(tempfile.mkdtemp(prefix="polyak-faultlib-")) / "faultlib.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, SOURCE], check=True)
    return built


class Faults:
    """What goes wrong with the files of some directories, and when.

    The board is shared with the service: `at` sets which operation goes wrong from now on.
    """

    def __init__(self, *directories, mode="fail", error="EIO", sticky=False, only=None,
                 reads=False):
        self._folder = tempfile.TemporaryDirectory(prefix="polyak-board-")
        self.path = pathlib.Path(self._folder.name) / "board"
        self.path.write_bytes(bytes(512))
        self.environment = {
            "LD_PRELOAD": str(library()), "FAULT_COUNT": str(self.path), "FAULT_MODE": mode,
            "FAULT_DIRECTORY": ":".join(map(str, directories)), "FAULT_ERRNO": error,
            "FAULT_STICKY": "1" if sticky else "0", "FAULT_READS": "1" if reads else "0",
        } | ({"FAULT_ONLY": only} if only else {})

    def _numbers(self):
        return struct.unpack_from("=3Q", self.path.read_bytes())

    @property
    def count(self):
        """File operations counted."""
        return self._numbers()[0]

    @property
    def hits(self):
        return self._numbers()[2]

    @property
    def first(self):
        """The first operation that was hit, with its path."""
        return self.path.read_bytes()[24:].split(b"\0")[0].decode()

    def at(self, number):
        """The `number`-th operation from the start on goes wrong; 0: none."""
        with open(self.path, "r+b") as board:
            board.seek(8)
            board.write(struct.pack("=Q", number))

    def after(self, more):
        self.at(self.count + more)

    def begin(self):
        """From now on everything that is counted goes wrong (with `sticky`)."""
        self.at(1)

    def end(self):
        self.at(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()
