"""Peers that are known by name: names are looked up while HAProxy runs, and an outage of DNS takes nothing away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from controller.core.model import Health
from tests.contract.edge_worlds import DRAIN, KEY, LOCAL, Edges, edges

pytestmark = pytest.mark.asyncio

NAMED = "edge.peers.test"
"""What every site calls every other one; all stand at one address here."""

ABROAD = {**DRAIN, "payments/peer-azure": 256}


@dataclass(slots=True)
class NameServer(asyncio.DatagramProtocol):
    """Answers every question for an address with the one it is told; None: not at all."""

    address: str | None = None
    asked: int = 0
    transport: asyncio.DatagramTransport | None = field(default=None, repr=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Know by which way to answer."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One question."""
        self.asked += 1
        if self.address is None or self.transport is None:
            return
        answer = dns.message.make_response(dns.message.from_wire(data))
        answer.flags |= dns.flags.RA
        if answer.question[0].rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(answer.question[0].name, 1, "IN", "A", self.address))
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def named(name: str, hold: str = "24d") -> AsyncIterator[tuple[Edges, NameServer]]:
    """Two edges that know each other by name, and a name server that says nothing yet."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=(LOCAL, 0))
    port = transport.get_extra_info("sockname")[1]
    without = {"parse-resolv-conf": f"nameserver lab {LOCAL}:{port}", "24d": hold}
    try:
        async with edges(name, "aws", "azure", without=without, meet=False, peers=NAMED) as given:
            yield given, server
    finally:
        transport.close()


async def test_a_site_whose_peers_names_say_nothing_serves_all_the_same() -> None:
    """HAProxy restarts while DNS is out of reach: it comes up, asks the own service, and finds its peers once they have addresses."""
    async with named("edge-nameless") as (given, server):
        assert (await given.ask("aws")).by == "aws"
        assert (await given.runtime("aws").servers())["payments/peer-azure"].health is Health.FAILING
        server.address = LOCAL
        await given.until("aws", {"payments/peer-azure": Health.HEALTHY}, 10)
        await given.runtime("aws").set_weights(ABROAD)
        assert (await given.ask("aws", headers=KEY)).by == "azure"


async def found_then_lost(given: Edges, server: NameServer, seconds: float) -> Health:
    """aws's view of its peer so long after the name server fell silent."""
    server.address = LOCAL
    await given.until("aws", {"payments/peer-azure": Health.HEALTHY}, 10)
    server.address, before = None, server.asked
    await asyncio.sleep(seconds)
    assert server.asked > before, "it never asked again"
    return (await given.runtime("aws").servers())["payments/peer-azure"].health


async def test_a_peer_keeps_its_address_while_nobody_answers_for_its_name() -> None:
    """DNS is what outages take away first; the last address stands."""
    async with named("edge-name-lost") as (given, server):
        assert await found_then_lost(given, server, 8) is Health.HEALTHY


async def test_without_holding_on_to_addresses_an_outage_of_dns_ends_hand_overs() -> None:
    """What the safeguard is worth: HAProxy takes a peer out of use because its name went unanswered."""
    async with named("edge-harm-name", hold="1s") as (given, server):
        assert await found_then_lost(given, server, 8) is Health.FAILING
