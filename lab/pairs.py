"""What one direction of one link between two sites is like just now. Pure: time and chance are passed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

RETRANSMISSION = 0.2
"""Seconds until TCP sends a lost packet again; doubled at every further loss (Linux TCP_RTO_MIN, RFC 6298 section 5.5)."""

MAX_LOSSES = 6
"""Losses of one chunk in a row, so that a link with a loss of 1 is slow (12.6 s a chunk) rather than an endless loop."""


class Held(Protocol):
    """Something that waits for a pair to carry again."""

    def mended(self) -> None:
        """The pair carries again."""


@dataclass(slots=True, kw_only=True)
class Pair:
    """Everything that goes from one site to another. The opposite direction is another pair, so a partition can be one-sided."""

    source: str
    destination: str
    delay: float
    """Seconds one way."""
    jitter: float = 0.0
    """Seconds; each chunk is late by a uniform share of this."""
    loss: float = 0.0
    """Probability that a chunk is lost once. Like TCP, the link then delivers it late, and everything behind it too."""
    cut: bool = False
    """While it is cut, bytes are held as routers' and senders' buffers would; none is ever swallowed."""
    waiting: set[Held] = field(default_factory=set)

    def travel(self, chance: Callable[[], float]) -> float:
        """Seconds the next chunk takes; `chance` answers uniformly from [0, 1)."""
        seconds = self.delay
        if self.jitter:
            seconds += self.jitter * chance()
        if self.loss:
            again, losses = RETRANSMISSION, 0
            while losses < MAX_LOSSES and chance() < self.loss:
                seconds, again, losses = seconds + again, again * 2, losses + 1
        return seconds

    def sever(self) -> None:
        """From now on hold everything."""
        self.cut = True

    def mend(self) -> None:
        """Carry again, what was held first."""
        self.cut = False
        for held in tuple(self.waiting):
            held.mended()


class Pairs:
    """All directed pairs of the lab; one that nobody mentioned yet has the default delay."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._pairs: dict[tuple[str, str], Pair] = {}

    def get(self, source: str, destination: str) -> Pair:
        """The pair, made when it is first asked for."""
        key = (source, destination)
        if key not in self._pairs:
            self._pairs[key] = Pair(source=source, destination=destination, delay=self._delay)
        return self._pairs[key]

    def all(self) -> tuple[Pair, ...]:
        """Every pair that was ever mentioned."""
        return tuple(self._pairs.values())
