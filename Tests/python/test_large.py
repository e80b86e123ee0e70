"""Models beyond one step of memory (64 MiB), and large bodies that wait for one another."""

import threading

import numpy as np

import oracle
from harness import SAFETENSORS
from models import assert_same, decode, encode, tensor

# Named so that the file's order is not the stored one: the steps of memory jump about.
SIZES = {"z": 5_000_000, "a": 20_000_000, "m": 1, "b": 9_000_000}


def model(seed, sizes):
    random = np.random.default_rng(seed)
    return {name: tensor(random.standard_normal(size).astype(np.float32))
            for name, size in sizes.items()}


def test_the_first_models_of_130_MB_are_folded(client):
    mean = oracle.Average({"rule": {"name": "uniform"}})
    with client.session({"rule": {"name": "uniform"}}) as run:
        for seed in range(3):
            iterate = model(seed, SIZES)
            answer = run.fold(iterate)
            assert answer["applied"]
            mean.apply(iterate)
        received, _ = decode(run.average().body)
    assert_same(received, mean.model)


def test_large_uploads_at_once_are_folded_in_the_order_of_their_revisions(service, client):
    iterates = [model(seed, {"w": 3_000_000}) for seed in range(6)]
    revisions = {}

    def upload(path, index):
        with service.client() as own:
            answer = own.request("POST", f"{path}/parameters", encode(iterates[index]),
                                 {"Content-Type": SAFETENSORS})
            revisions[answer.json()["revision"]] = index

    with client.session({"rule": {"name": "ema", "decay": 0.5}}) as run:
        threads = [threading.Thread(target=upload, args=(run.path, index)) for index in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        received, _ = decode(run.average().body)
    assert sorted(revisions) == [1, 2, 3, 4, 5, 6]
    expected = oracle.Average({"rule": {"name": "ema", "decay": 0.5}})
    for revision in sorted(revisions):
        expected.apply(iterates[revisions[revision]])
    assert_same(received, expected.model)
