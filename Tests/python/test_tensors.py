"""Reading averages: element types, single tensors and their names."""

import io
from urllib.parse import quote

import numpy as np
import pytest

import oracle
from models import assert_same, tensor, widen
from ordinary import EXPECTED, UNIFORM, averaged, tensors
from ordinary import ORDINARY as MODEL


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_an_average_is_converted_with_one_rounding(client, dtype):
    random = np.random.default_rng(8)
    wide = random.standard_normal(20_000) * 10.0 ** random.integers(-9, 9, 20_000)
    # Ties, near ties that a second rounding would get wrong, subnormals and overflow.
    hard = [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-40, 1 + 2**-11, 1 + 3 * 2**-11, 65504, 65519.9,
            65520, -65536, 3.4e38, 1e39, -1e300, 2.0**-24, 2.0**-25, 2.0**-134, 1e-45, -0.0,
            1 + 2**-24 + 2**-50]
    model = {"d": np.concatenate([wide, hard]), "i": np.array([1, 2]),
             "s": np.concatenate([wide, hard[:10]]).astype(np.float32)}
    with client.session(UNIFORM) as session:
        session.fold(model)
        answer = session.average(dtype=dtype)
        expected = {name: oracle.convert(tensor(value), dtype) for name, value in model.items()}
        assert_same(answer.model(), expected)
        if dtype in ("F16", "BF16"):
            assert np.isinf(widen(expected["d"])).any()
        assert answer["ETag"] != session.average()["ETag"]


def test_the_type_of_the_model_is_what_was_uploaded(client):
    model = {name: tensor(np.linspace(-1, 1, 33), name) for name in
             ("F64", "F32", "F16", "BF16")} | {"n": tensor(np.array([5], np.uint8))}
    other = {name: tensor(widen(value) / 3 if name != "n" else value.data, value.dtype)
             for name, value in model.items()}
    with client.session(UNIFORM) as session:
        session.fold(model)
        session.fold(other)
        stored = averaged(model, other)
        expected = {name: oracle.convert(value, model[name].dtype)
                    for name, value in stored.items()}
        assert_same(session.average(dtype="model").model(), expected)
        assert_same(session.average().model(), stored)


@pytest.mark.parametrize("dtype", ["I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"])
def test_integers_and_booleans_are_the_latest(client, dtype):
    with client.session(UNIFORM) as session:
        for value in ([0, 1, 1], [1, 0, 1]):
            session.fold({"n": tensor(np.array(value), dtype), "w": np.ones(1, np.float32)})
        assert_same(session.average().model(),
                    {"n": tensor(np.array([1, 0, 1]), dtype), "w": tensor([1.0], "F32")})
        session.upload({"n": tensor(np.array([1, 0, 1]), "F32"), "w": np.ones(1, np.float32)}) \
            .problem(422, "layout-mismatch")


@pytest.mark.parametrize("name", list(MODEL))
def test_a_tensor_is_read_by_numpy(session, client, name):
    path = f"{session.path}/averages/main/tensors/{name}"
    answer = client.get(path)
    array = np.load(io.BytesIO(answer.body), allow_pickle=False)
    expected = EXPECTED[name]
    assert array.dtype == expected.data.dtype and array.shape == expected.data.shape
    assert array.tobytes() == expected.raw
    raw = client.get(path, {"Accept": "application/octet-stream"})
    assert raw.body == expected.raw and raw["Content-Type"] == "application/octet-stream"
    assert raw["ETag"] != answer["ETag"]
    again = client.get(path, {"If-None-Match": answer["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize("dtype", ["F16", "F32", "F64"])
def test_a_tensor_is_converted(session, client, dtype):
    answer = client.get(f"{session.path}/averages/main/tensors/bias", dtype=dtype)
    array = np.load(io.BytesIO(answer.body), allow_pickle=False)
    expected = oracle.convert(EXPECTED["bias"], dtype)
    assert array.dtype == expected.data.dtype and array.tobytes() == expected.raw


NAMES = ["a/b/c", "a b", "100%", "ünïcødé_权重", "q?x=1&y", "/lead", "trail/", "a//b", "..", "a/../b",
         "+", "#", '"', "\\", "\t", "__metadata", "x" * 1000]


def test_tensors_of_any_name_are_found(client):
    model = {name: np.array([index], np.float32) for index, name in enumerate(NAMES)}
    with client.session(UNIFORM) as session:
        session.fold(model)
        assert_same(session.average().model(), tensors(model))
        base = f"{session.path}/averages/main/tensors"
        for index, name in enumerate(NAMES):
            spellings = [f"{base}/{quote(name, safe='')}", f"{base}?name={quote(name, safe='')}",
                         f"{base}/{quote(name, safe='/')}"]
            for path in spellings:
                answer = client.get(path, {"Accept": "application/octet-stream"})
                assert answer.status == 200, (path, answer)
                assert np.frombuffer(answer.body, "<f4") == [index], path
