"""The dead man's switch: as long as this controller ticks and reaches etcd's majority, somebody outside hears so.

Everything else that tells people is sent by a controller that lives. When all of them are silent, or none reaches a majority, nobody is
left to say it; so it is silence that tells, and the monitor outside is asked to notice it. Each controller pings, and any one that is well
keeps the monitor content: what one of them misses, the others tell.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from controller.errors import TrimaranError
from controller.loop import Loop
from controller.ports import Clock
from controller.telling_ports import Outside

log = structlog.get_logger()

LIVELY = timedelta(seconds=5)
"""A loop that last heard of etcd longer ago does not tick, or has no majority: longer than an election of etcd's takes."""


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """One controller's."""

    loops: Sequence[Loop]
    outside: Outside
    clock: Clock
    every: timedelta = timedelta(seconds=30)
    deadline: timedelta = timedelta(seconds=5)
    sent: int = 0
    """Pings that were answered."""
    because: str = "not tried yet"
    """Why the last one was not sent, or not answered; empty when it was."""

    async def run(self) -> None:
        """Ping until cancelled. One that fails is tried again soon: a ping that is lost must not look like a death."""
        while True:
            before = self.because
            await self._beat()
            if self.because and self.because != before:
                log.warning("heartbeat", because=self.because)
            await self.clock.sleep(self.every if not self.because else min(self.every / 6, LIVELY))

    def silence(self) -> str:
        """Why this controller must not be heard; empty when it may. Every service counts: one that is not looked after is a death."""
        now = self.clock.monotonic()
        still = [one.service for one in self.loops if one.view is None or now - one.view.at > LIVELY]
        return (
            f"no tick that reached etcd's majority within {LIVELY.total_seconds():g} s: {', '.join(sorted(still))}"
            if still
            else ""
        )

    async def _beat(self) -> None:
        if because := self.silence():
            self.because = because
            return
        pinging = asyncio.ensure_future(self.outside.ping(self.deadline))
        late = asyncio.ensure_future(self.clock.sleep(self.deadline + timedelta(seconds=1)))
        try:
            await asyncio.wait({pinging, late}, return_when=asyncio.FIRST_COMPLETED)
            if not pinging.done():
                self.because = f"no answer within {self.deadline.total_seconds():g} s"
                return
            pinging.result()
            self.sent, self.because = self.sent + 1, ""
        except TrimaranError as error:
            self.because = str(error)
        except Exception as error:  # noqa: BLE001 - told by its kind alone: its text may be an address
            self.because = type(error).__name__
        finally:
            pinging.cancel()
            late.cancel()
