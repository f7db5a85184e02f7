"""Reads what the edge of one's own site counted. The agent beside it is reached from that site alone, so every vantage tells of its own.

Passive: no request is made that clients did not make. What it reads is judged in `core/traffic.py`, and is shown; it has no vote.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from controller.core.traffic import Counts, Limits, Track, between, judge, unmeasured
from controller.errors import Transient, Unsupported
from controller.ports import Clock
from controller.probing.http_probe import REPLY_LIMIT

OLDEST = timedelta(seconds=3)
"""Age of an agent's numbers above which they are no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the agent told."""

    service: str
    """Whose requests the edge counts: the one that it leads with."""
    counts: Counts
    taken: timedelta
    """Monotonic time of this process at which HAProxy was asked for it, by the age that the agent told."""
    instance: str = ""
    """Which edge of the site's; empty: the agent does not say."""


@dataclass(slots=True, kw_only=True)
class TrafficProbe:
    """One site's edge. `track` is what was made of it so far."""

    session: aiohttp.ClientSession
    url: str
    """`/status` of the agent."""
    clock: Clock
    limits: Limits
    track: Track
    last: Reading | None = None
    service: str = ""
    """Whose requests are counted; empty until the agent has told."""

    async def look(self, deadline: timedelta) -> Track:
        """Ask once and judge; a look that fails is unknown, and the next one begins a new window. Never raises for the other side."""
        try:
            reading = await self.read(deadline)
        except (Transient, Unsupported) as error:
            self.last, self.track = None, unmeasured(self.track, str(error))
            return self.track
        self.service = reading.service
        if self.last is None:
            self.last = reading
            return self.track
        if reading.instance != self.last.instance:
            # 1. A balancer leads to another instance. 2. It has counted 4,000 more than the one before, 200 of them failed. 3. None of that
            # happened in this second, and whoever looks at the site believes that it did.
            self.last, self.track = reading, unmeasured(self.track, "another edge of the site's tells of its traffic now")
            return self.track
        lasted = reading.taken - self.last.taken
        if lasted < self.limits.shortest:
            return self.track  # the same numbers again: not a window, and no doubt either
        window = between(self.last.counts, reading.counts, lasted, self.limits)
        self.last, self.track = reading, judge(self.track, window, self.limits)
        return self.track

    async def read(self, deadline: timedelta) -> Reading:
        """What the agent tells now. Raises Transient without an answer in time or without fresh numbers, Unsupported for another shape."""
        timeout = aiohttp.ClientTimeout(total=deadline.total_seconds())
        try:
            async with self.session.get(self.url, timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    raise Transient(f"the edge's agent answers HTTP {response.status}")
                text = b""
                while len(text) < REPLY_LIMIT and (part := await response.content.read(REPLY_LIMIT)):
                    text += part
        except TimeoutError as error:
            raise Transient(f"the edge's agent was silent for {deadline.total_seconds():g} s") from error
        except (
            aiohttp.ClientError,
            OSError,
            RuntimeError,
        ) as error:  # the last: uvloop, of a connection that ends while it is written to
            raise Transient(f"the edge's agent: {type(error).__name__}: {error}") from error
        return self._reading(text)

    def _reading(self, text: bytes) -> Reading:
        now = self.clock.monotonic()
        try:
            document: Any = json.loads(text)
            service, instance, told = str(document["service"]), str(document.get("instance", "")), document["traffic"]
            counted, trouble = told["counted"], told["trouble"]
            if counted is None:
                raise Transient(f"the edge counted nothing: {trouble}")
            age = timedelta(seconds=float(counted["age_s"]))
            mean = timedelta(milliseconds=float(counted["mean_ms"]))
            counts = Counts(answered=int(counted["answered"]), failed=int(counted["failed"]), mean=mean)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise Unsupported(f"the edge's agent tells of traffic in a way that is not known here: {error!r}") from error
        if age > OLDEST:
            raise Transient(f"the edge's numbers are {age.total_seconds():.1f} s old")
        return Reading(service=service, counts=counts, taken=now - age, instance=instance)
