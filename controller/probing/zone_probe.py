"""Asks every authority what it holds, and its name servers what they answer, and compares all of it with what is wanted.

An authority's API can say that all its name servers are in step while they are not; only a client's question finds that out. So both
are asked. Each authority is asked on its own and within its own deadline: one that hangs, or over whose answer its adapter stumbles,
makes itself unknown, and hides no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import Protocol

import dns.asyncquery
import dns.exception
import dns.message
import dns.rdatatype

from controller.core.drift import Consistency, Reading, compare
from controller.core.model import Group, Site
from controller.errors import ProviderError, Transient
from controller.ports import Clock, Ratios
from controller.probing.name_probe import address_of

QUESTIONS = 8
"""Put to the name servers per group. A site that still has a third of the answers goes unseen once in 26 looks."""


class Readable(Protocol):
    """The part of `ports.Dns` that this probe uses."""

    @property
    def name(self) -> str:
        """For reports."""

    async def read(self) -> Mapping[Group, Ratios]:
        """Ratios per group. Raises ProviderError."""


class Answering(Protocol):
    """One authority's name servers."""

    async def named(self, group: Group) -> frozenset[Site]:
        """Sites that clients of the group are sent to, as far as some questions show. Raises Transient without any answer."""


@dataclass(slots=True, kw_only=True)
class Nameservers:
    """Asked over UDP as a resolver asks."""

    host: str
    """An address, or a name that is looked up for every look; while nobody tells where it leads, its last address stands."""
    port: int
    names: Mapping[Group, Sequence[str]]
    """Weighted names of each group; all are asked for."""
    sites: Mapping[str, Site]
    """By address."""
    patience: timedelta = timedelta(seconds=0.5)
    """For each question."""
    lookup: Callable[[str, timedelta], Awaitable[str]] = address_of
    """Raises Transient."""
    _last: str | None = field(default=None, init=False)

    async def named(self, group: Group) -> frozenset[Site]:
        """See `Answering`. An address that is nobody's is passed over: the API's reading tells what is wrong with it."""
        server = await self._address()
        asked = [self._ask(server, name) for name in self.names.get(group, ()) for _ in range(QUESTIONS)]
        answers = [answer for answer in await asyncio.gather(*asked) if answer is not None]
        if asked and not answers:
            raise Transient(f"{self.host}:{self.port} answers none of {len(asked)} questions")
        return frozenset(self.sites[address] for answer in answers for address in answer if address in self.sites)

    async def _address(self) -> str:
        """1. The resolver beside us is down. 2. The name servers answer, and nobody asks them. 3. What they tell clients is unknown, in the
        outage in which it matters."""
        try:
            return str(ip_address(self.host))
        except ValueError:
            pass
        try:
            self._last = await self.lookup(self.host, self.patience)
        except Transient:
            if self._last is None:
                raise
        return self._last

    async def _ask(self, server: str, name: str) -> frozenset[str] | None:
        query = dns.message.make_query(name, dns.rdatatype.A)
        patience = self.patience.total_seconds()
        try:
            reply = await dns.asyncquery.udp(query, server, timeout=patience, port=self.port, ignore_unexpected=True)
        except (dns.exception.DNSException, OSError):
            return None
        return frozenset(item.address for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for item in rrset)


@dataclass(slots=True, kw_only=True)
class ZoneProbe:
    """All authorities of one controller. `latest` is for status and metrics; nothing here repairs."""

    authorities: Sequence[Readable]
    clock: Clock
    nameservers: Mapping[str, Answering] = field(default_factory=dict)
    """By authority; one that is absent is judged by its API alone."""
    deadline: timedelta = timedelta(seconds=2)
    """For each authority."""
    latest: Consistency | None = None
    """None: nobody looked yet."""
    looked: timedelta | None = None
    """Monotonic time of the last look."""
    since: dict[str, timedelta] = field(default_factory=dict)
    """Monotonic time at which each difference, in words, was first seen; those that are gone are forgotten."""

    async def look(self, wanted: Mapping[Group, Ratios]) -> Consistency:
        """Ask all, compare, and remember. Returns within the deadline, whatever hangs."""
        readings = await asyncio.gather(*(self._read(authority, wanted) for authority in self.authorities))
        found, now = compare(wanted, readings), self.clock.monotonic()
        said = [*map(str, found.drifts), *map(str, found.misdirections)]
        self.since = {one: self.since.get(one, now) for one in said}
        self.latest, self.looked = found, now
        return found

    async def _read(self, authority: Readable, wanted: Mapping[Group, Ratios]) -> Reading:
        asking = (self._ratios(authority), self._named(authority.name, wanted))
        (ratios, unread), (named, unnamed) = await asyncio.gather(*asking)
        return Reading(authority=authority.name, ratios=ratios, named=named, trouble="; ".join(filter(None, (unread, unnamed))))

    async def _ratios(self, authority: Readable) -> tuple[Mapping[Group, Ratios] | None, str]:
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                return await authority.read(), ""
        except TimeoutError:
            return None, f"no answer within {self.deadline.total_seconds():g} s"
        except ProviderError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  raised on, it would end the look, and with it the controller
            return None, f"{type(error).__name__}: {error}"

    async def _named(self, authority: str, wanted: Mapping[Group, Ratios]) -> tuple[Mapping[Group, frozenset[Site]], str]:
        nameservers = self.nameservers.get(authority)
        named: dict[Group, frozenset[Site]] = {}
        if nameservers is None:
            return named, ""
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                for group in wanted:
                    named[group] = await nameservers.named(group)
        except TimeoutError:
            return named, "its name servers did not answer in time"
        except ProviderError as error:
            return named, str(error)
        except Exception as error:  # noqa: BLE001  as in `_ratios`
            return named, f"{type(error).__name__}: {error}"
        return named, ""
