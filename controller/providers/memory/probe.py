"""Probes and a node that behave as told; shipped for tests and the simulation, and held to the same contract as the real ones."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from controller.core.model import NodeFacts
from controller.errors import Denied, Transient
from controller.ports import Clock, ProbeResult


class Behaviour(StrEnum):
    """What the thing asked does."""

    ANSWERS = "answers"
    FAILS = "fails"
    HANGS = "hangs"
    DENIES = "denies"
    STUMBLES = "stumbles"


@dataclass(slots=True, kw_only=True)
class MemoryProbe:
    """Answers after `latency`, in the way `behaviour` says; counts how often it was asked, and how often at once."""

    clock: Clock
    behaviour: Behaviour = Behaviour.ANSWERS
    latency: timedelta = timedelta(milliseconds=25)
    asked: int = field(default=0, init=False)
    under_way: int = field(default=0, init=False)
    most_under_way: int = field(default=0, init=False)

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """See `ports.Probe`; raises Denied when told to deny, and what no probe should when told to stumble."""
        self.asked += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._measure(deadline)
        finally:
            self.under_way -= 1

    async def _measure(self, deadline: timedelta) -> ProbeResult:
        if self.behaviour is Behaviour.DENIES:
            raise Denied("credentials are missing")
        if self.behaviour is Behaviour.STUMBLES:
            raise TypeError("an answer nobody expected")
        spent = min(self.latency, deadline)
        await self.clock.sleep(spent)
        if self.behaviour is Behaviour.HANGS or self.latency > deadline:
            await self.clock.sleep(deadline - spent)
            return ProbeResult(ok=False, latency=deadline, detail=f"no answer within {deadline.total_seconds():g} s")
        answered = self.behaviour is Behaviour.ANSWERS
        return ProbeResult(ok=answered, latency=self.latency, detail="answered" if answered else "refused")


@dataclass(slots=True, kw_only=True)
class MemoryNode:
    """A database as `SqlProbe` sees it: says `said`, in the way its probe behaves."""

    probe: MemoryProbe
    said: NodeFacts

    async def facts(self, deadline: timedelta) -> NodeFacts:
        """See `ports.Database`; raises Transient when it does not answer."""
        result = await self.probe.measure(deadline)
        if not result.ok:
            raise Transient(result.detail)
        return self.said
