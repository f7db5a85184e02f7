"""Ports that ask a cloud, counted: whom, what, and what became of it. Nothing else changes by it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Protocol, TypeVar

from controller.core.model import Group, Site
from controller.errors import Conflict, Denied, Refused, Transient, TrimaranError, Unsupported
from controller.ports import Capacity, Clock, Dns, ManagedDatabase, Promotion, ProviderFacts, Raised, Ratios, SteeringReport

T = TypeVar("T")

OUTCOMES: Mapping[type[TrimaranError], str] = {
    Transient: "unanswered",
    Denied: "denied",
    Conflict: "conflict",
    Unsupported: "unsupported",
    Refused: "refused",
}
ANSWERED, GIVEN_UP, FAILED = "answered", "given-up", "failed"
"""`given-up`: whoever asked was cancelled, because the plan has another owner or goes on without the answer."""


class Tally(Protocol):
    """Takes one question that is over."""

    def __call__(self, provider: str, question: str, outcome: str, took: timedelta, /) -> None:
        """`provider`: an authority's name, or a site's."""


class Counted:
    """Asks, and tells the tally."""

    def __init__(self, provider: str, tally: Tally, clock: Clock) -> None:
        self._provider, self._tally, self._clock = provider, tally, clock

    async def ask(self, question: str, asked: Callable[[], Awaitable[T]]) -> T:
        """The answer, or what was raised."""
        began, outcome = self._clock.monotonic(), GIVEN_UP
        try:
            answer = await asked()
        except TrimaranError as error:
            outcome = OUTCOMES.get(type(error), FAILED)
            raise
        else:
            outcome = ANSWERED
            return answer
        finally:
            self._tally(self._provider, question, outcome, self._clock.monotonic() - began)


class CountedDns:
    """An authority."""

    def __init__(self, authority: Dns, tally: Tally, clock: Clock) -> None:
        self._authority, self._counted = authority, Counted(authority.name, tally, clock)

    @property
    def name(self) -> str:
        """See `Dns.name`."""
        return self._authority.name

    async def read(self) -> Mapping[Group, Ratios]:
        """See `Dns.read`."""
        return await self._counted.ask("read", self._authority.read)

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """See `Dns.steer`."""
        return await self._counted.ask("steer", lambda: self._authority.steer(wanted, deadline))


class CountedCapacity:
    """A site's instances."""

    def __init__(self, capacity: Capacity, tally: Tally, clock: Clock) -> None:
        self._capacity, self._counted = capacity, Counted(capacity.site, tally, clock)

    @property
    def site(self) -> Site:
        """See `Capacity.site`."""
        return self._capacity.site

    async def floor(self, service: str) -> int | None:
        """See `Capacity.floor`."""
        return await self._counted.ask("floor", lambda: self._capacity.floor(service))

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """See `Capacity.raise_floor`."""
        return await self._counted.ask("raise-floor", lambda: self._capacity.raise_floor(service, instances, deadline))


class CountedServer:
    """A managed database server."""

    def __init__(self, server: ManagedDatabase, tally: Tally, clock: Clock) -> None:
        self._server, self._counted = server, Counted(server.site, tally, clock)

    @property
    def site(self) -> Site:
        """See `ManagedDatabase.site`."""
        return self._server.site

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """See `ManagedDatabase.facts`."""
        return await self._counted.ask("server", lambda: self._server.facts(deadline))

    async def promote(self, deadline: timedelta) -> Promotion:
        """See `ManagedDatabase.promote`."""
        return await self._counted.ask("promote", lambda: self._server.promote(deadline))

    async def promotion(self, operation: str, deadline: timedelta) -> Promotion:
        """See `ManagedDatabase.promotion`."""
        return await self._counted.ask("promotion", lambda: self._server.promotion(operation, deadline))
