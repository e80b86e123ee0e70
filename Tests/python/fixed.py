"""The sessions that error tests are made on: whatever is sent, their averages stay."""

import contextlib

import numpy as np

from models import encode

MODEL = {"b": np.arange(4, dtype=np.float32), "w": np.ones((2, 3), np.float32)}
GOOD = encode(MODEL)


class Fixed:
    """A session with one folded model, and a second one that has not started."""

    def __init__(self, session, waiting):
        self.session, self.waiting, self.path = session, waiting, session.path

    def look(self):
        answer = self.session.average()
        return answer.status, answer["ETag"], answer.body, self.session.state()["revision"]


@contextlib.contextmanager
def fixed_on(service):
    with service.client() as client, \
            client.session({"strategy": "polynomial_decay"}, "errors") as session, \
            client.session({"strategy": "nta", "epochs": 100}, "errors-waiting") as waiting:
        session.fold(MODEL, step=5)
        session.upload(MODEL, {"Idempotency-Key": "taken"})
        yield Fixed(session, waiting)
