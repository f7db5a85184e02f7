"""Places for secrets held in memory, with a switch for each way a store fails to keep them."""

from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.model import Site
from controller.errors import Conflict, Denied, Transient, Unsupported
from controller.ports import Clock, Filled


@dataclass(slots=True, kw_only=True)
class MemorySecrets:
    """`ports.SecretStore` without a network. Several writers share it by sharing the object."""

    site: Site
    clock: Clock
    places: dict[str, list[bytes]] = field(default_factory=dict, repr=False)
    """What was put into each place, oldest first; one that is not named does not exist."""
    unusable: set[str] = field(default_factory=set)
    """Places that were deleted or disabled by somebody."""
    calls: int = 0
    """Requests that arrived."""
    changes: int = 0
    """Changes that were carried out."""
    throttled: int = 0
    """How many of the next requests are turned away."""
    lost_answers: int = 0
    """How many of the next changes are carried out without an answer."""
    idle_changes: int = 0
    """How many of the next changes are answered as if they had been carried out, and are not."""
    delay: timedelta = timedelta()
    """How long a change takes."""
    hanging: bool = False
    """Nothing is answered and nothing is carried out."""
    lying: bool = False
    """Everything is answered at once, with nonsense, and nothing is carried out."""
    denied: bool = False
    """Credentials or permissions are missing."""
    denied_changes: bool = False
    """Looking is permitted, changing is not."""

    async def filled(self, place: str, deadline: timedelta) -> str | None:
        """See `ports.SecretStore`."""
        await self._request(self.clock.monotonic() + deadline)
        return self._newest(place)

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, None, deadline)

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, over, deadline)

    async def _put(self, place: str, content: bytes, over: str | None, deadline: timedelta) -> Filled:
        ends = self.clock.monotonic() + deadline
        await self._request(ends)
        found = self._newest(place)
        if found is not None and found != over:
            return Filled(version=found, carried_out=False)
        await self._request(ends)
        if self.denied_changes:
            raise Denied(f"{self.site}: changing is not permitted")
        if self.delay:
            await self.clock.sleep(self.delay)
        if self.idle_changes > 0:
            self.idle_changes -= 1
            return Filled(version=str(len(self.places[place]) + 1), carried_out=True)
        self.places[place].append(content)
        self.changes += 1
        if self.lost_answers > 0:
            self.lost_answers -= 1
            raise Transient(f"{self.site}: the answer was lost")
        return Filled(version=str(len(self.places[place])), carried_out=True)

    def _newest(self, place: str) -> str | None:
        if place not in self.places:
            raise Unsupported(f"{self.site}: there is no place {place}")
        if place in self.unusable:
            raise Conflict(f"{self.site}: {place} was deleted or disabled")
        return str(len(self.places[place])) if self.places[place] else None

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
