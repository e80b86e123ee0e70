"""Models that are refused when they are read; the averages never change."""

import json
import struct

import numpy as np
import pytest

from fixed import GOOD, MODEL
from harness import SAFETENSORS
from models import encode, file_of
from named import named



def entry(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


B, W = entry(), entry(shape=(2, 3), offsets=(16, 40))
DATA = bytes(40)
BAD_MODELS = [
    ("no bytes", b"", "malformed-model"),
    ("only a length", GOOD[:8], "malformed-model"),
    ("cut in the header", GOOD[:30], "malformed-model"),
    ("cut in the data", GOOD[:-1], "malformed-model"),
    ("a byte too many", GOOD + b"x", "malformed-model"),
    ("length 0", struct.pack("<Q", 0), "malformed-model"),
    ("header is no JSON", file_of("{nonsense", DATA), "malformed-model"),
    ("header is a list", file_of("[]", b""), "malformed-model"),
    ("header is not UTF-8", file_of(b'{"\xff":{}}', b""), "malformed-model"),
    ("trailing comma", file_of('{"b":%s,}' % json.dumps(B), DATA[:16]), "malformed-model"),
    ("duplicate name", file_of('{"b":%s,"b":%s}' % (json.dumps(B), json.dumps(B)), DATA[:16]),
     "malformed-model"),
    ("gap", file_of({"b": B, "w": entry(shape=(2, 3), offsets=(20, 44))}, bytes(44)),
     "malformed-model"),
    ("overlap", file_of({"b": B, "w": entry(shape=(2, 3), offsets=(12, 36))}, bytes(36)),
     "malformed-model"),
    ("begins late", file_of({"b": entry(offsets=(8, 24))}, bytes(24)), "malformed-model"),
    ("backwards", file_of({"b": entry(offsets=(16, 0))}, DATA), "malformed-model"),
    ("negative", file_of({"b": entry(offsets=(-16, 0))}, DATA), "malformed-model"),
    ("size is not the shape's", file_of({"b": entry(shape=(5,))}, DATA[:16]), "malformed-model"),
    ("negative dimension", file_of({"b": entry(shape=(-2, -2))}, DATA[:16]), "malformed-model"),
    ("product overflows", file_of({"b": entry(shape=(2**33, 2**33))}, DATA[:16]),
     "malformed-model"),
    ("no shape", file_of({"b": {"dtype": "F32", "data_offsets": [0, 16]}}, DATA[:16]),
     "malformed-model"),
    ("metadata of numbers", file_of({"__metadata__": {"a": 1}, "b": B, "w": W}, DATA),
     "malformed-model"),
    ("another type of tensor", file_of({"b": entry("F8_E4M3", (16,)), "w": W}, DATA),
     "unsupported-format"),
    ("a tensor missing", encode({"w": MODEL["w"]}), "layout-mismatch"),
    ("a tensor more", encode({**MODEL, "x": MODEL["w"]}), "layout-mismatch"),
    ("another name", encode({"w": MODEL["w"], "c": MODEL["b"]}), "layout-mismatch"),
    ("another shape", encode({**MODEL, "w": MODEL["w"].T}), "layout-mismatch"),
    ("another rank", encode({**MODEL, "w": MODEL["w"].ravel()}), "layout-mismatch"),
    ("an integer", encode({**MODEL, "w": np.ones((2, 3), np.int32)}), "layout-mismatch"),
    ("no tensor at all", encode({}), "layout-mismatch"),
    ("NaN", encode({**MODEL, "w": np.full((2, 3), np.nan, np.float32)}), "non-finite"),
    ("F64 beyond F32", encode({**MODEL, "w": np.full((2, 3), 1e300)}), "non-finite"),
]
STATUS = {"malformed-model": 400, "unsupported-format": 415, "layout-mismatch": 422,
          "non-finite": 422}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@named("body,name", BAD_MODELS)
def test_a_bad_model_leaves_no_trace(fixed, client, body, name, chunked):
    sent = (body[at:at + 7] for at in range(0, len(body), 7)) if chunked else body
    answer = client.request("POST", f"{fixed.path}/parameters", sent,
                            {"Content-Type": SAFETENSORS}, chunked=chunked)
    answer.problem(STATUS[name], name)


@named("body", [each[:2] for each in BAD_MODELS if STATUS[each[2]] != 422])
def test_a_first_model_is_checked_as_well(fixed, client, body):
    with client.session({"strategy": "polynomial_decay"}) as session:
        assert session.upload(body).status in (400, 415)
        assert session.state()["revision"] == 0
        session.average().problem(404, "averaging-not-started")
        session.fold({"other": np.ones(3)})


def test_a_layout_mismatch_tells_the_tensor_and_both_sides(fixed):
    answer = fixed.session.upload({**MODEL, "w": np.ones((3, 2), np.float32)})
    problem = answer.problem(422, "layout-mismatch")
    assert problem["tensor"] == "w"
    assert "2" in str(problem["expected"]) and "3" in str(problem["received"])
    assert problem["expected"] != problem["received"]


def test_a_non_finite_result_tells_tensor_and_index(fixed):
    values = np.ones((2, 3), np.float32)
    values[1, 1] = np.inf
    problem = fixed.session.upload({**MODEL, "w": values}).problem(422, "non-finite")
    assert problem["tensor"] == "w" and problem["index"] == 4


def test_finite_values_whose_difference_overflows_are_refused(client):
    with client.session({"strategy": "polynomial_decay"}) as session:
        session.fold({"w": np.full(5, 3e38, np.float32)})
        before = session.average()
        problem = session.upload({"w": np.array([0, 0, 0, -3e38, 0], np.float32)}) \
            .problem(422, "non-finite")
        assert problem["index"] == 3
        after = session.average()
        assert (after.body, after["ETag"]) == (before.body, before["ETag"])


def test_a_malformed_model_tells_where(fixed):
    problem = fixed.session.upload(file_of({"b": entry(shape=(5,))}, DATA[:16])) \
        .problem(400, "malformed-model")
    assert problem["tensor"] == "b"
    assert "offset" in fixed.session.upload(GOOD[:-3]).problem(400, "malformed-model")
