"""A caching stub resolver, as one payer's device has it.

It keeps an answer until its TTL is over, however bad the address has turned out, because no stub knows what an application made
of it. It asks again only then. Nothing is served beyond the TTL: that is systemd-resolved's default (StaleRetentionSec=0) and
glibc keeps nothing at all; recursive resolvers that serve stale answers (RFC 8767) are not modelled. A device that ignores TTLs
keeps its first address for ever, however often that fails, as a Java runtime with a security manager does; 8.7 % of the resolvers
measured in 2023 stretch TTLs in one way or another (Bhowmick et al., PAM 2023). The first answer of each name may be kept for a share
of its TTL only, as if it had been asked for earlier: devices in the field did not all resolve in the second in which a measurement
began. A query without an answer is sent again with longer patience each time; after the last the lookup fails, and a next one starts
anew. TTLs are counted on the monotonic clock that is passed in.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

PATIENCE = (0.25, 0.5, 1.0)
"""Seconds to wait for an answer, per try."""


class UnresolvedError(Exception):
    """No address: nothing answered in time, or the answer holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Addresses of a name, in the order of the answer; none when the name has no address."""

    addresses: tuple[str, ...]
    ttl: float
    """Seconds; of a negative answer, how long it may be kept (RFC 2308)."""


Ask = Callable[[str, float], Awaitable[Answer]]
"""Ask for the addresses of a name, with so many seconds of patience. Raises UnresolvedError without an answer."""


class StubResolver:
    """One device's view of the names it pays through."""

    def __init__(
        self,
        ask: Ask,
        monotonic: Callable[[], float],
        patience: Sequence[float] = PATIENCE,
        *,
        first_share: float = 1.0,
        ignores_ttl: bool = False,
    ) -> None:
        """`first_share` of its TTL is left of the first answer of each name. `ignores_ttl`: the first address is kept for ever."""
        self._ask, self._monotonic, self._patience, self._first_share = ask, monotonic, tuple(patience), first_share
        self._ignores_ttl = ignores_ttl
        self._kept: dict[str, tuple[Answer, float]] = {}
        self._lookups: dict[str, asyncio.Task[Answer]] = {}

    async def address(self, name: str) -> str:
        """The address to use now: kept while its TTL lasts, else asked for. Raises UnresolvedError.

        Callers that want the same name at the same time share one lookup; one that gives up does not end it for the others.
        """
        kept = self._kept.get(name)
        if kept is not None and self._monotonic() < kept[1]:
            answer = kept[0]
        else:
            lookup = self._lookups.get(name)
            if lookup is None:
                lookup = self._lookups[name] = asyncio.create_task(self._look_up(name))
                lookup.add_done_callback(lambda done: self._finish(name, done))
            answer = await asyncio.shield(lookup)
        if not answer.addresses:
            raise UnresolvedError(f"{name} has no address")
        return answer.addresses[0]

    async def _look_up(self, name: str) -> Answer:
        for patience in self._patience:
            try:
                answer = await self._ask(name, patience)
            except UnresolvedError:
                continue
            share = 1.0 if name in self._kept else self._first_share
            ends = math.inf if self._ignores_ttl and answer.addresses else self._monotonic() + share * answer.ttl
            self._kept[name] = (answer, ends)
            return answer
        raise UnresolvedError(f"{name}: no answer in {len(self._patience)} tries")

    def _finish(self, name: str, done: "asyncio.Task[Answer]") -> None:
        del self._lookups[name]
        if not done.cancelled():
            done.exception()  # nobody may be left to take it


def udp(host: str, port: int) -> Ask:
    """Ask this name server over UDP, from a fresh source port each time."""

    async def ask(name: str, patience: float) -> Answer:
        query = dns.message.make_query(name, dns.rdatatype.A)
        try:
            reply = await dns.asyncquery.udp(query, host, timeout=patience, port=port, ignore_unexpected=True, ignore_errors=True)
        except (dns.exception.DNSException, OSError) as error:
            raise UnresolvedError(f"{name}: {error!r}") from error
        if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise UnresolvedError(f"{name}: {dns.rcode.to_text(reply.rcode())}")
        return read(reply)

    return ask


def read(reply: dns.message.Message) -> Answer:
    """Addresses and TTL of an answer; the TTL of a chain of aliases is its smallest."""
    addresses = tuple(item.address for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for item in rrset)
    if addresses:
        return Answer(addresses=addresses, ttl=min(rrset.ttl for rrset in reply.answer))
    soa = next((rrset for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA), None)
    return Answer(addresses=(), ttl=min(soa.ttl, soa[0].minimum) if soa is not None else 0.0)
