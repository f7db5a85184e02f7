"""Looks at all authorities now and then, and keeps what it found for status, metrics and the log. Repairs are the caretaker's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from controller.core.model import Group
from controller.loop import Loop
from controller.ports import Clock, Ratios
from controller.probing.zone_probe import ZoneProbe

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class ZoneWatch:
    """One controller's."""

    probe: ZoneProbe
    leads: Mapping[Group, Loop]
    """Whose posture each group's traffic follows."""
    clock: Clock
    every: timedelta = timedelta(seconds=10)
    """An account at Route 53 has five requests a second for everything; three controllers look."""
    settles: timedelta = timedelta(seconds=15)
    """A difference that lasts longer than this is no steering under way, and is told in the log."""

    async def run(self) -> None:
        """Look until cancelled."""
        told: frozenset[str] = frozenset()
        while True:
            if wanted := self.wanted():
                await self.probe.look(wanted)
                lasting = frozenset(
                    said for said, since in self.probe.since.items() if self.clock.monotonic() - since > self.settles
                )
                for said in sorted(lasting - told):
                    log.warning("zone", said=said)
                told = lasting
            await self.clock.sleep(self.every)

    def wanted(self) -> Mapping[Group, Ratios]:
        """What every authority should hold, of groups whose posture was read a moment ago: by an old one nobody is judged."""
        now = self.clock.monotonic()
        return {
            group: loop.view.snapshot.posture.weights
            for group, loop in self.leads.items()
            if loop.view is not None and now - loop.view.at <= loop.policy.freshness
        }

    def document(self) -> Mapping[str, object] | None:
        """For status; None before the first look. `consistent` is null while some authority could not be asked."""
        found, looked = self.probe.latest, self.probe.looked
        if found is None or looked is None:
            return None
        return {
            "age_s": round((self.clock.monotonic() - looked).total_seconds(), 3),
            "consistent": found.consistent,
            "drifts": [str(drift) for drift in found.drifts],
            "misdirections": [str(one) for one in found.misdirections],
            "disagreeing": sorted(found.disagreeing),
            "unknown": dict(found.unknown),
        }
