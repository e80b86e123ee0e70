"""Real trainers against the service: NumPy on digits, curl alone, and Node's fetch."""

import base64
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import oracle
from harness import HTTP2, PATIENCE, new_name
from models import assert_same, decode, tensor

HERE = pathlib.Path(__file__).parent


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                          timeout=5 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def delete(client, name):
    assert client.request("DELETE", f"/v1/sessions/{name}").status == 204


@pytest.mark.parametrize("strategy", ["nta", "alpha_suffix"])
def test_a_network_ends_with_the_average_of_what_it_uploaded(service, client, strategy, tmp_path):
    sent, final, name = tmp_path / "sent", tmp_path / "final.safetensors", new_name("digits")
    sent.mkdir()
    table = run(sys.executable, HERE / "trainer.py", "--url", service.url, "--session", name,
                "--strategy", strategy, "--record", sent, "--output", final,
                *(["--http2"] if HTTP2 else []))
    print(table)
    state = client.get(f"/v1/sessions/{name}").json()
    settings = {"strategy": strategy, "epochs": 16,
                **({"n": 2} if strategy == "nta" else {"alpha": 0.75})}
    average, losses = oracle.Average(settings), []
    for path in sorted(sent.iterdir()):
        if path.suffix == ".json":
            report = json.loads(path.read_text())
            average.report(report["loss"], report["epoch"])
            losses.append(report["loss"])
        else:
            average.apply(decode(path.read_bytes())[0])
    assert average.started and average.count > 100
    assert state["averages"]["main"]["average_counter"] == average.count
    assert state["averages"]["main"]["losses"] == average.losses
    assert_same(decode(final.read_bytes())[0], average.model)
    assert losses[-1] < 0.5 * losses[0], "the network learned"
    _, last, averaged = table.splitlines()[-1].split()
    assert float(averaged) < float(last), "the average is better than the last iterate"
    delete(client, name)


@pytest.mark.once("test_clients.py has curl over every protocol")
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_alone_trains(service, client):
    name = new_name("from-curl")
    *iterates, last = run("sh", HERE / "trainer.sh", service.url, name).splitlines()
    assert len(iterates) == 32
    average = oracle.Average({"strategy": "alpha_suffix", "epochs": 8, "alpha": 0.75})
    for index, value in enumerate(iterates):
        average.apply({"w": np.array([float(value)], np.float32)})
        if index % 4 == 3:
            average.report(None, (index + 1) // 4)
    assert np.float32(last.split()[1]) == average.model["w"].data[0]
    assert average.count == 24
    delete(client, name)


@pytest.mark.once("test_clients.py has Node over every protocol")
@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_nodes_fetch_trains(service, client):
    name = new_name("from-node")
    lines = run("node", HERE / "trainer.mjs", service.url, name).splitlines()
    average = oracle.Average({"strategy": "nta", "epochs": 10, "n": 2, "fallback_alpha": 0.4})

    def weights(text):
        return {"w": tensor(np.frombuffer(base64.b64decode(text), "<f4"))}

    *calls, last = map(json.loads, lines)
    for call in calls:
        if "epoch" in call:
            average.report(call["loss"], call["epoch"])
        else:
            average.apply(weights(call["weights"]))
    assert average.count >= 80
    assert_same(weights(last["average"]), average.model)
    delete(client, name)
