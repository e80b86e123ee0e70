"""Models as safetensors bytes, written and read by hand.

The format's own library has no BF16 for NumPy and writes only well-formed files; the tests need
both BF16 and files that are wrong in one place. test_oracle.py checks this module against it.
"""

import json
import struct
from typing import NamedTuple

import numpy as np

# BF16 has no NumPy type: such a tensor holds its bit patterns.
STORAGE = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}
FLOATS = ("F64", "F32", "F16", "BF16")
NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL"} | {
    f"{sign}{bits}": f"{letter}{bits}"
    for sign, letter in (("int", "I"), ("uint", "U")) for bits in (8, 16, 32, 64)
}


class Tensor(NamedTuple):
    """A tensor with its safetensors type name; BF16 as unsigned 16-bit patterns."""

    dtype: str
    data: np.ndarray

    @property
    def raw(self):
        return np.ascontiguousarray(self.data).astype(STORAGE[self.dtype], copy=False).tobytes()


def tensor(values, dtype=None):
    """A tensor of `values`, converted to `dtype` if it is given."""
    array = np.asarray(values)
    if dtype is None:
        return Tensor(NAMES[array.dtype.name], array)
    if dtype == "BF16":
        return Tensor(dtype, bf16_bits(array))
    with np.errstate(over="ignore", invalid="ignore"):
        return Tensor(dtype, array.astype(STORAGE[dtype]))


def bf16_bits(values):
    """The nearest bfloat16 to each value, ties to even, as bit patterns, in one rounding."""
    wide = np.asarray(values).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        single = wide.astype(np.float32)
        bits = single.view(np.uint32).copy()
        # A second rounding from float32 could break a tie the wrong way. So the first is made
        # "to odd": cut off, with the last bit saying that something was cut off.
        away = np.abs(single.astype(np.float64)) > np.abs(wide)
        inexact = np.isfinite(wide) & (single.astype(np.float64) != wide)
    bits -= (inexact & away).astype(np.uint32)
    bits |= inexact.astype(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(wide), 0x7FC0 | (bits >> 16), rounded).astype(np.uint16)


def widen(bits_or_values):
    """A tensor's values as an array that NumPy can calculate with; exact."""
    dtype, data = bits_or_values
    if dtype == "BF16":
        return (data.astype(np.uint32) << 16).view(np.float32)
    return data


def file_of(header, data, padding=True):
    """A safetensors file of a header (a dict, text or bytes) and its data bytes."""
    if isinstance(header, dict):
        header = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    if isinstance(header, str):
        header = header.encode()
    if padding:
        header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def encode(model, metadata=None):
    """A model {name: Tensor or array} as a safetensors file, tensors in the dict's order."""
    header = {} if metadata is None else {"__metadata__": metadata}
    pieces, position = [], 0
    for name, value in model.items():
        value = value if isinstance(value, Tensor) else tensor(value)
        raw = value.raw
        header[name] = {"dtype": value.dtype, "shape": list(value.data.shape),
                        "data_offsets": [position, position + len(raw)]}
        pieces.append(raw)
        position += len(raw)
    return file_of(header, b"".join(pieces))


def decode(body):
    """The model and the metadata of a safetensors file, which must be gapless and complete."""
    length, = struct.unpack_from("<Q", body)
    header = json.loads(body[8:8 + length])
    metadata = header.pop("__metadata__", {})
    data, position, model = body[8 + length:], 0, {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        assert begin == position, f"{name} begins at {begin}, not at {position}"
        values = np.frombuffer(data[begin:end], STORAGE[entry["dtype"]]).reshape(entry["shape"])
        model[name], position = Tensor(entry["dtype"], values), end
    assert position == len(data), f"{len(data) - position} bytes after the last tensor"
    return model, metadata


def same_bits(left, right):
    """Whether two tensors are equal to the bit, except that any NaN equals any other."""
    if left.dtype != right.dtype or left.data.shape != right.data.shape:
        return False
    if left.dtype not in FLOATS or left.raw == right.raw:
        return left.raw == right.raw
    a, b = widen(left), widen(right)
    nan = np.isnan(a)
    return bool((nan == np.isnan(b)).all() and a[~nan].tobytes() == b[~nan].tobytes())


def assert_same(received, expected):
    """Fails naming the first tensor that differs."""
    assert sorted(received) == sorted(expected)
    for name, wanted in expected.items():
        got = received[name]
        if not same_bits(got, wanted):
            where = np.flatnonzero(widen(got).ravel() != widen(wanted).ravel())[:5]
            raise AssertionError(
                f"{name} {got.dtype}{got.data.shape} differs from {wanted.dtype}"
                f"{wanted.data.shape} at {where}: {got.data.ravel()[where]} is not "
                f"{wanted.data.ravel()[where]}")
