#!/usr/bin/env python3
"""Trains a small network on scikit-learn's handwritten digits while the service averages it.

The order of calls is that of GluonTS's ModelIterationAveraging callback: every batch uploads the
model; around each validation the trainer's own weights are kept in the service and the average,
if there is one, takes their place; each epoch ends with a report and one more upload; training
ends with the average.

    trainer.py --url http://127.0.0.1:8080 --session digits --strategy nta
"""

import argparse
import http.client
import json
import pathlib
import urllib.parse

import httpx
import numpy as np
import safetensors.numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SAFETENSORS = {"Content-Type": "application/vnd.safetensors"}


class Averager:
    """The calls a trainer makes; optionally writes down what was sent."""

    def __init__(self, url, session, record=None, http2=False):
        if http2:
            # Without TLS, a client has to know beforehand that the service speaks HTTP/2.
            self.client = httpx.Client(base_url=url, http1=False, http2=True, timeout=60)
            self.send = self._send_http2
        else:
            self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
            self.send = self._send_http1
        self.path = f"/v1/sessions/{session}"
        self.record = record and pathlib.Path(record)
        self.calls = 0

    def _send_http1(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def _send_http2(self, method, path, body, headers):
        answer = self.client.request(method, path, content=body, headers=headers)
        return answer.status_code, answer.content

    def call(self, method, path, body=None, headers=None, allowed=(200,)):
        status, data = self.send(method, self.path + path, body, headers or {})
        if status not in allowed:
            raise RuntimeError(f"{method} {path}: {status} {data.decode(errors='replace')}")
        if self.record and method == "POST":
            suffix = "json" if path.startswith("/epochs") else "safetensors"
            (self.record / f"{self.calls:05d}.{suffix}").write_bytes(body)
            self.calls += 1
        return status, data

    def create(self, settings):
        self.call("PUT", "", json.dumps(settings), {"Content-Type": "application/json"}, (200, 201))

    def upload(self, model, step=None, key=None):
        query = "" if step is None else f"?step={step}"
        headers = SAFETENSORS if key is None else SAFETENSORS | {"Idempotency-Key": key}
        self.call("POST", "/parameters" + query, safetensors.numpy.save(model), headers)

    def report(self, loss, epoch):
        body = json.dumps({"loss": loss, "epoch": epoch}).encode()
        answer = self.call("POST", "/epochs", body, {"Content-Type": "application/json"})[1]
        return json.loads(answer)["averages"]["main"]

    def average(self):
        """The averaged model, or None while there is none."""
        status, data = self.call("GET", "/averages/main", allowed=(200, 404))
        return safetensors.numpy.load(data) if status == 200 else None

    def keep(self, model):
        self.call("PUT", "/cached", safetensors.numpy.save(model), SAFETENSORS, (200, 201))

    def restore(self):
        model = safetensors.numpy.load(self.call("GET", "/cached")[1])
        self.call("DELETE", "/cached", allowed=(204,))
        return model


class Network:
    """64 pixels, one hidden layer, 10 classes, in float32."""

    def __init__(self, random, hidden=48):
        self.weights = {
            "hidden.weight": random.standard_normal((64, hidden)) / 8,
            "hidden.bias": np.zeros(hidden),
            "output.weight": random.standard_normal((hidden, 10)) / 7,
            "output.bias": np.zeros(10)}
        self.weights = {name: value.astype(np.float32) for name, value in self.weights.items()}

    def _forward(self, pixels):
        w = self.weights
        hidden = np.maximum(pixels @ w["hidden.weight"] + w["hidden.bias"], 0)
        scores = hidden @ w["output.weight"] + w["output.bias"]
        scores = scores - scores.max(axis=1, keepdims=True)
        return hidden, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    def loss(self, pixels, labels):
        _, log_chances = self._forward(pixels)
        return float(-log_chances[np.arange(len(labels)), labels].mean(dtype=np.float64))

    def train(self, pixels, labels, rate):
        hidden, log_chances = self._forward(pixels)
        error = np.exp(log_chances)
        error[np.arange(len(labels)), labels] -= 1
        error /= np.float32(len(labels))
        back = (error @ self.weights["output.weight"].T) * (hidden > 0)
        for name, slope in (("output.weight", hidden.T @ error), ("output.bias", error.sum(axis=0)),
                            ("hidden.weight", pixels.T @ back), ("hidden.bias", back.sum(axis=0))):
            self.weights[name] = self.weights[name] - np.float32(rate) * slope


def strategy(name, epochs):
    if name == "nta":
        return {"strategy": "nta", "epochs": epochs, "n": 2}
    return {"strategy": "alpha_suffix", "epochs": epochs, "alpha": 0.75}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--session", default="digits")
    parser.add_argument("--strategy", choices=("nta", "alpha_suffix"), default="nta")
    parser.add_argument("--http2", action="store_true", help="speak HTTP/2, by httpx")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--record", help="folder for everything that was sent")
    parser.add_argument("--output", help="file for the final model")
    options = parser.parse_args()

    digits = load_digits()
    pixels = (digits.data / 16).astype(np.float32)
    train_x, valid_x, train_y, valid_y = train_test_split(
        pixels, digits.target, test_size=0.3, random_state=0, stratify=digits.target)
    random = np.random.default_rng(0)
    network, step = Network(random), 0
    averager = Averager(options.url, options.session, options.record, options.http2)
    averager.create(strategy(options.strategy, options.epochs))

    print("epoch  last iterate  average")
    for epoch in range(1, options.epochs + 1):
        for batch in np.array_split(random.permutation(len(train_x)),
                                    len(train_x) // options.batch):
            network.train(train_x[batch], train_y[batch], options.rate)
            step += 1
            averager.upload(network.weights, step=step)
        own = loss = network.loss(valid_x, valid_y)
        average = averager.average()
        if average is not None:
            averager.keep(network.weights)
            network.weights = average
            loss = network.loss(valid_x, valid_y)
            network.weights = averager.restore()
        state = averager.report(loss, epoch)
        averager.upload(network.weights, key=f"end-of-epoch-{epoch}")
        shown = f"{loss:.4f}" if average is not None else "-"
        print(f"{epoch:5}  {own:12.4f}  {shown:>7}" +
              (f"  averaging starts: {state['reason']}" if state["started_now"] else ""))

    last = network.loss(valid_x, valid_y)
    network.weights = averager.average() or network.weights
    print(f"final  {last:12.4f}  {network.loss(valid_x, valid_y):7.4f}")
    if options.output:
        safetensors.numpy.save_file(network.weights, options.output)


if __name__ == "__main__":
    main()
