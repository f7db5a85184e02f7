"""Instances held in memory, with a switch for each way a provider fails to keep them."""

from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.model import Site
from controller.errors import Conflict, Denied, Transient, Unsupported
from controller.ports import Clock, Raised


@dataclass(slots=True, kw_only=True)
class MemoryCapacity:
    """`ports.Capacity` without a network. Several controllers share it by sharing the object."""

    site: Site
    clock: Clock
    floors: dict[str, int] = field(default_factory=dict)
    """By service; one that is not named does not exist at this site."""
    calls: int = 0
    """Requests that arrived."""
    changes: int = 0
    """Changes that were carried out."""
    throttled: int = 0
    """How many of the next requests are turned away."""
    lost_answers: int = 0
    """How many of the next changes are carried out without an answer."""
    busy: int = 0
    """How many of the next changes are turned away because somebody else's is under way."""
    hanging: bool = False
    """Nothing is answered and nothing is carried out."""
    idle_changes: int = 0
    """How many of the next changes are answered as if they had been carried out, and are not."""
    delay: timedelta = timedelta()
    """How long a change takes."""
    lying: bool = False
    """Everything is answered at once, with nonsense, and nothing is carried out."""
    denied: bool = False
    """Credentials or permissions are missing."""
    denied_changes: bool = False
    """Reading is permitted, changing is not."""

    async def floor(self, service: str) -> int | None:
        """See `ports.Capacity`."""
        await self._request(self.clock.monotonic() + timedelta(seconds=2))
        return self.floors.get(service)

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """See `ports.Capacity`."""
        ends = self.clock.monotonic() + deadline
        await self._request(ends)
        before = self.floors.get(service)
        if before is None:
            raise Unsupported(f"{self.site}: there is no service {service}")
        if before < instances:
            await self._change(service, instances, ends)
        return Raised(before=before, after=max(before, instances))

    async def _change(self, service: str, instances: int, ends: timedelta) -> None:
        await self._request(ends)
        if self.denied_changes:
            raise Denied(f"{self.site}: changing is not permitted")
        if self.delay:
            await self.clock.sleep(self.delay)
        if self.idle_changes > 0:
            self.idle_changes -= 1
            return
        if self.busy > 0:
            self.busy -= 1
            raise Conflict(f"{self.site}: somebody else changes {service}")
        self.floors[service] = max(self.floors[service], instances)
        self.changes += 1
        if self.lost_answers > 0:
            self.lost_answers -= 1
            raise Transient(f"{self.site}: the answer was lost")

    async def _request(self, ends: timedelta) -> None:
        self.calls += 1
        if self.hanging:
            await self.clock.sleep(max(timedelta(), ends - self.clock.monotonic()))
            raise Transient(f"{self.site}: no answer before the deadline")
        if self.lying:
            raise Transient(f"{self.site}: an answer that makes no sense")
        if self.throttled > 0:
            self.throttled -= 1
            raise Transient(f"{self.site}: throttled")
        if self.denied:
            raise Denied(f"{self.site}: credentials are missing")
