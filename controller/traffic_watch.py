"""Asks the agent of the own site's edge what it counted, once a second, and keeps what was made of it for the next observation.

A task of its own: an agent that hangs delays nobody. What it says has no vote; see `core/comparison.py`.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from controller.core.model import Health, Opinion
from controller.core.traffic import opinion, unmeasured
from controller.ports import Clock
from controller.probing.traffic_probe import TrafficProbe

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class TrafficWatch:
    """One controller's, over its own site."""

    probe: TrafficProbe
    clock: Clock
    every: timedelta = timedelta(seconds=1)
    """As often as the agent looks at HAProxy's counters."""
    patience: timedelta = timedelta(seconds=0.5)
    """For one answer; the agent is beside this controller, and answers from what it knows."""
    believed_for: timedelta = timedelta(seconds=3)
    """Since the last look. However one came to hang, what it would have found is unknown by then."""
    _looked: timedelta | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before = self.probe.track.health
            await self._look()
            now = self.probe.track
            if Health.FAILING in (before, now.health) and before is not now.health:
                log.warning("traffic", health=str(now.health), said=now.detail)
            await self.clock.sleep(self.every)

    def word(self, service: str) -> Opinion | None:
        """What this service's traffic says about the own site; None when the edge is known to count another service's."""
        if self.probe.service not in ("", service):
            return None
        track = self.probe.track
        if self._looked is None:
            return opinion(unmeasured(track, "the edge's agent was not asked yet"))
        age = self.clock.monotonic() - self._looked
        if age > self.believed_for:
            return opinion(unmeasured(track, f"the edge's agent was last asked {age.total_seconds():.1f} s ago"))
        return opinion(track)

    async def _look(self) -> None:
        try:
            await self.probe.look(self.patience)
        except Exception as error:
            # A fault of ours, or an agent whose words nobody foresaw: it accuses nobody, and ends no controller.
            detail = f"the edge's agent could not be asked: {type(error).__name__}: {error}"
            if self.probe.track.detail != detail:
                log.exception("traffic")
            self.probe.last, self.probe.track = None, unmeasured(self.probe.track, detail)
        self._looked = self.clock.monotonic()
