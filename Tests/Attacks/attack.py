"""What an attack is, and the list of all of them."""

import dataclasses
import typing

ALL = {}
ENDED, ABSORBED = "ended", "absorbed"
"""The service must end the connection; or it may go on, because what is sent is lawful, or costs
the service less than the attacker."""
SHORT = ("--head-timeout", "2s", "--idle-timeout", "2s", "--body-grace", "2s",
         "--write-timeout", "2s", "--linger", "500ms")
"""Settings under which slow attacks show their outcome within the short form."""
LATEST = 60
"""Seconds after which what has to be ended is taken for absorbed, if the attack is not longer: so
that a busy machine changes no outcome."""
MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Attack:
    name: str
    run: typing.Callable
    """Attacks a port for so many seconds; the `Outcome`. Runs in a process of its own."""
    outcomes: tuple
    """What the service may do."""
    code: str | None
    """What must be in the first end's description, where an RFC says it."""
    settings: tuple
    """Short settings of the service for the short form."""
    patience: float
    """Seconds that the long form needs at least, with the service's defaults."""
    growth: int
    """Bytes of memory that the service may grow by."""
    tls: bool
    """Whether the port that speaks TLS is attacked."""


def register(name, run, outcomes=(ENDED, ABSORBED), code=None, settings=(), patience=0,
             growth=4 * MIB, tls=False):
    assert name not in ALL, name
    ALL[name] = Attack(name, run, outcomes, code, settings, patience, growth, tls)


class Outcome(typing.NamedTuple):
    ended: bool
    """Whether the service ended the connection, or each of a crowd's."""
    text: str
    """How, and after how long."""
    units: int
    """Frames or requests sent, over all connections."""
    bytes: int
    links: int
    """Connections made: after an end the attack goes on with the next."""
    seconds: float
