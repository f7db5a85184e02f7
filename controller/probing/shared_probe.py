"""One measurement for everybody who wants it at about the same time.

An edge belongs to a site, not to a service. A thousand services that each asked every edge four times a second would ask twelve
thousand questions where twelve tell the same.
"""

import asyncio
from datetime import timedelta

from controller.ports import Clock, Probe, ProbeResult


class SharedProbe:
    """Asks once for all who ask while that question is under way, or within `keep` of its answer: `ports.Probe`."""

    def __init__(self, probe: Probe, clock: Clock, keep: timedelta) -> None:
        """`keep` must be shorter than the interval at which one asker asks, so that nobody is told the same answer twice."""
        self._probe, self._clock, self._keep = probe, clock, keep
        self._asking: asyncio.Task[ProbeResult] | None = None
        self._answered: tuple[ProbeResult, timedelta] | None = None

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """As the shared probe answers; the deadline is that of whoever asked first. One asker that leaves ends nothing for the others."""
        if self._answered is not None and self._clock.monotonic() - self._answered[1] <= self._keep:
            return self._answered[0]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(deadline))
            self._asking.add_done_callback(_retrieve)
        return await asyncio.shield(self._asking)

    async def _ask(self, deadline: timedelta) -> ProbeResult:
        result = await self._probe.measure(deadline)
        self._answered = result, self._clock.monotonic()
        return result


def _retrieve(task: asyncio.Task[ProbeResult]) -> None:
    """Nobody may be left to take the error."""
    if not task.cancelled():
        task.exception()
