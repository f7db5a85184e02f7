"""A managed database server held in memory, with a provider that takes its time over a promotion, and a switch for each way it fails."""

from dataclasses import dataclass, replace
from datetime import timedelta

from controller.core.model import Site
from controller.errors import Denied, Transient, Unsupported
from controller.ports import Clock, Promotion, PromotionState, ProviderFacts

REPLICA = ProviderFacts(
    highly_available=True,
    synchronous_standby=True,
    storage_free=0.8,
    maintenance=None,
    replica_of="primary",
    state="available",
)
"""What a provider says about a healthy read replica."""


@dataclass(slots=True, kw_only=True)
class MemoryServerOffice:
    """What the provider itself holds of one server, whoever asks, and how it fails."""

    name: str = "replica"
    told: ProviderFacts | None = REPLICA
    """None: there is no such server."""
    takes: timedelta = timedelta(seconds=1)
    """How long a promotion is under way."""
    promotions: int = 0
    """Promotions that began."""
    began: timedelta | None = None
    fails: bool = False
    """A promotion that began ends as failed."""
    throttled: int = 0
    """How many of the next requests are turned away."""
    lost_answers: int = 0
    """How many of the next promotions begin without an answer."""
    idle_promotions: int = 0
    """How many of the next promotions are answered as begun, and are not."""
    delay: timedelta = timedelta()
    """How long the request to promote takes."""
    hanging: bool = False
    """Nothing is answered and nothing is carried out."""
    lying: bool = False
    """Everything is answered at once, with nonsense, and nothing is carried out."""
    denied: bool = False
    """Credentials or permissions are missing."""
    denied_changes: bool = False
    """Reading is permitted, promoting is not."""


class MemoryManagedDatabase:
    """`ports.ManagedDatabase` without a network: one controller's adapter on a server that all of them share."""

    def __init__(self, *, site: Site, clock: Clock, server: MemoryServerOffice | None = None) -> None:
        """Without a `server`, it gets a healthy replica of its own."""
        self._site, self._clock, self.server = site, clock, server or MemoryServerOffice()

    @property
    def site(self) -> Site:
        """Where the server is."""
        return self._site

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """See `ports.ManagedDatabase`."""
        await self._request(deadline)
        self._settle()
        if self.server.told is not None and self.server.began is not None:
            return replace(self.server.told, state="modifying")
        return self.server.told

    async def promote(self, deadline: timedelta) -> Promotion:
        """See `ports.ManagedDatabase`."""
        await self._request(deadline)
        self._settle()
        if self.server.told is None:
            raise Unsupported(f"{self._site}: there is no server {self.server.name}")
        if self.server.told.replica_of is not None and self.server.began is None:
            if self.server.denied_changes:
                raise Denied(f"{self._site}: promoting is not permitted")
            if self.server.delay:
                await self._clock.sleep(self.server.delay)
            if self.server.idle_promotions > 0:
                self.server.idle_promotions -= 1
                return self._told()
            self.server.began = self._clock.monotonic()
            self.server.promotions += 1
            if self.server.lost_answers > 0:
                self.server.lost_answers -= 1
                raise Transient(f"{self._site}: the answer was lost")
        return self._told()

    async def promotion(self, operation: str, deadline: timedelta) -> Promotion:
        """See `ports.ManagedDatabase`."""
        await self._request(deadline)
        if operation != self.server.name:
            raise Unsupported(f"{self._site}: there is no operation {operation}")
        self._settle()
        return self._told()

    def _settle(self) -> None:
        """A promotion that has had its time is over."""
        server = self.server
        if server.began is not None and server.told is not None and self._clock.monotonic() - server.began >= server.takes:
            server.began = None
            server.told = replace(server.told, state="failed") if server.fails else replace(server.told, replica_of=None)

    def _told(self) -> Promotion:
        assert self.server.told is not None
        state = PromotionState.DONE if self.server.told.replica_of is None else PromotionState.RUNNING
        if self.server.told.state == "failed":
            state = PromotionState.FAILED
        return Promotion(operation=self.server.name, state=state, detail=self.server.told.state)

    async def _request(self, deadline: timedelta) -> None:
        if self.server.hanging:
            await self._clock.sleep(deadline)
            raise Transient(f"{self._site}: no answer before the deadline")
        if self.server.lying:
            raise Transient(f"{self._site}: an answer that makes no sense")
        if self.server.throttled > 0:
            self.server.throttled -= 1
            raise Transient(f"{self._site}: throttled")
        if self.server.denied:
            raise Denied(f"{self._site}: credentials are missing")
