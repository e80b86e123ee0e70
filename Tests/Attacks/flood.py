"""Attacks over one connection at a time: `@flood(name, …)` before a generator of `Burst`s."""

import time

from attack import ENDED, LATEST, Outcome, register
from link import Link

STALLED = 0.5
"""A connection on which nothing was sent for so many seconds is not read by the service."""


def flood(name, reads=True, link=None, **options):
    """Registers an attack that sends what the generator yields; it gets the `Link`.

    `reads`: whether answers are read at all; `link`: further arguments of `Link`.
    """
    def decorate(feed):
        patience = LATEST if options.get("outcomes") == (ENDED,) else 0
        register(name, lambda port, seconds: _run(feed, reads, link or {}, patience, port, seconds),
                 **options)
        return feed
    return decorate


def _run(feed, reads, options, patience, port, seconds):
    """Attacks again whenever the connection is ended. The end of the first is told, which has
    `patience` seconds at least."""
    began = time.monotonic()
    deadline = began + seconds
    links, units, count, first = 0, 0, 0, None
    while first is None or time.monotonic() < deadline:
        try:
            link = Link(port, **options)
        except OSError:
            time.sleep(0.01)
            continue
        link.run(feed(link), reads, deadline if first else max(deadline, began + patience))
        link.close()
        links += 1
        units += link.units
        count += link.bytes
        first = first or link
    now = time.monotonic()
    return Outcome(first.end is not None, _describe(first, now), units, count, links, now - began)


def _describe(link, now):
    if link.end is None:
        text = "absorbed"
        if now - link.last_write > STALLED and link.units:
            text += ", not read any more"
    else:
        text = f"{link.end} after {link.ended_after * 1000:.0f} ms, {link.units:,} sent"
    if link.reader and link.reader.resets:
        code, count = link.reader.resets.most_common(1)[0]
        text += f"; {count:,} × RST {code}"
    return text
