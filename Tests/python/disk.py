"""File systems in files. They need root, loop devices and the right to mount."""

import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest

from harness import eventually

# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, _IOR('X', 125, __u32); 2: the log is not flushed.
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
SYSTEMS = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}


def unmount(point):
    """The kernel may still be at work for a process that has ended."""
    eventually(lambda: subprocess.run(["umount", point], check=False).returncode == 0
               or not os.path.ismount(point), "the file system is in use")


class Disk:
    """A file system in a file that can lose its power."""

    def __init__(self, kind):
        make = SYSTEMS[kind]
        if shutil.which(make[0]) is None:
            pytest.skip(f"{make[0]} is not installed")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="polyak-disk-"))
        self.image, self.point = self.folder / "image", self.folder / "point"
        self.point.mkdir()
        self.is_cut = False
        with self.image.open("wb") as file:
            # What mkfs.xfs takes at least.
            file.truncate(320 << 20)
        try:
            subprocess.run([*make, self.image], check=True, capture_output=True)
            self.mount()
        except subprocess.CalledProcessError as error:
            shutil.rmtree(self.folder)
            pytest.skip(f"{kind} cannot be mounted here: {error.stderr}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if os.path.ismount(self.point):
            unmount(self.point)
        shutil.rmtree(self.folder)

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.point], check=True,
                       capture_output=True)
        self.is_cut = False

    def unmount(self):
        unmount(self.point)

    def cut(self):
        point = os.open(self.point, os.O_RDONLY)
        self.is_cut = True
        try:
            fcntl.ioctl(point, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(point)
