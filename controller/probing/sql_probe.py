"""Asks a database who it is: one question that gives both its health and its facts."""

from datetime import timedelta
from typing import Protocol

from controller.core.model import NodeFacts
from controller.errors import Transient
from controller.ports import Clock, ProbeResult


class Answering(Protocol):
    """The part of `ports.Database` that this probe uses."""

    async def facts(self, deadline: timedelta) -> NodeFacts:
        """Who the node says it is."""


class SqlProbe:
    """Any answer is well, whatever the node says about itself: what it says is a fact for the deciding core, not a failure."""

    def __init__(self, database: Answering, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._latest: NodeFacts | None = None

    @property
    def latest(self) -> NodeFacts | None:
        """What the node said last; its age is for the caller to keep."""
        return self._latest

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Ask once. Raises Denied or Unsupported when this vantage cannot ask at all: that is no failure of the node."""
        began = self._clock.monotonic()
        try:
            self._latest = await self._database.facts(deadline)
        except Transient as error:
            return ProbeResult(ok=False, latency=self._clock.monotonic() - began, detail=str(error))
        said = f"{self._latest.role} of epoch {self._latest.epoch}"
        pinned = "" if self._latest.pinned else ", not on its pinned timeline"
        return ProbeResult(ok=True, latency=self._clock.monotonic() - began, detail=said + pinned)
