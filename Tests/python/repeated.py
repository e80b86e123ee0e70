"""Something done again and again beside a test."""

import threading


class Repeated:
    """Calls `act` in a thread of its own from the beginning of a `with` to its end, at most once
    in so many seconds."""

    def __init__(self, act, seconds=0):
        self._act, self._seconds = act, seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _run(self):
        while not self._done.wait(self._seconds):
            self._act()
