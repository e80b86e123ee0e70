"""Bodies under the content codings, made by Python's own zlib and by gzip and pigz."""

import gzip
import shutil
import struct
import subprocess
import zlib

import numpy as np

CODERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


def members(data, count):
    """As many gzip members as `count`, one after the other, some of them empty."""
    size = max(1, len(data) // count)
    pieces = [data[at:at + size] for at in range(0, len(data), size)]
    return b"".join(gzip.compress(piece) + gzip.compress(b"") for piece in pieces)


def program(*command):
    """The coder that a command is; None where it is not installed."""
    if not shutil.which(command[0]):
        return None
    return lambda data: subprocess.run(command, input=data, stdout=subprocess.PIPE,
                                       check=True).stdout


PROGRAMS = {
    "gzip": program("gzip", "-9c"),
    "gzip -1": program("gzip", "-1c"),
    "pigz": program("pigz", "-9c", "-b", "128"),
    "pigz zlib": program("pigz", "-zc"),
    "members": lambda data: members(data, 7),
    "stored": lambda data: gzip.compress(data, 0),
    "huffman": lambda data: _by(zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY), data),
    "fixed": lambda data: _by(zlib.compressobj(9, zlib.DEFLATED, 31, 1, zlib.Z_FIXED), data),
    "flushed": lambda data: _flushed(data),
    "small window": lambda data: _by(zlib.compressobj(9, zlib.DEFLATED, 9), data),
}


def _by(coder, data):
    return coder.compress(data) + coder.flush()


def _flushed(data):
    """As a client codes that flushes what it has after each piece."""
    coder = zlib.compressobj(1, zlib.DEFLATED, 31)
    pieces = [coder.compress(data[at:at + 1000]) + coder.flush(zlib.Z_SYNC_FLUSH)
              for at in range(0, len(data), 1000)]
    return b"".join(pieces) + coder.flush()


def weights(count, seed=0):
    """As weights are: normal, small."""
    random = np.random.default_rng(seed)
    return (random.standard_normal(count) * 0.02).astype(np.float32)


def zeros(count):
    """`count` zero bytes, whole MiB, under gzip: a GiB in a MB."""
    block = bytes(1 << 20)
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush nothing refers to what was before, so that the piece can be repeated.
    piece = coder.compress(block) + coder.flush(zlib.Z_FULL_FLUSH)
    check, last = 0, coder.flush()
    for _ in range(count >> 20):
        check = zlib.crc32(block, check)
    head = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3])
    return (head + piece * (count >> 20) + last
            + struct.pack("<II", check, count & 0xFFFFFFFF))
