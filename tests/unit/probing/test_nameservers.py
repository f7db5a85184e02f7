"""Name servers are named in settings: their addresses are looked up, and one that was found stands while nobody tells of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from controller.core.model import Group, Site
from controller.errors import Transient
from controller.probing.name_probe import address_of
from controller.probing.zone_probe import Nameservers

pytestmark = pytest.mark.asyncio

PAY, NAME = Group("everywhere"), "everywhere.pay.example.com"
SERVER = "ns-1.awsdns-02.org"
HOST, SOON = "127.0.0.1", timedelta(milliseconds=200)


@dataclass(slots=True)
class Server(asyncio.DatagramProtocol):
    """Answers questions for addresses on loopback; says of what it does not know that there is no such name."""

    known: Mapping[str, tuple[str, ...]]
    port: int = 0
    asked: list[str] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it to answer by."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One question, one answer."""
        assert self.transport is not None
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        answer = dns.message.make_response(question)
        if name in self.known:
            answer.answer.append(dns.rrset.from_text(f"{name}.", 10, "IN", "A", *self.known[name]))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def serving(**known: tuple[str, ...]) -> AsyncIterator[Server]:
    """One server while it runs; dots of names are spelled as underscores."""
    loop = asyncio.get_running_loop()
    names = {name.replace("_", "."): addresses for name, addresses in known.items()}
    transport, server = await loop.create_datagram_endpoint(lambda: Server(known=names), local_addr=(HOST, 0))
    server.port = transport.get_extra_info("sockname")[1]
    try:
        yield server
    finally:
        transport.close()


@dataclass(slots=True)
class Directory:
    """Who is asked where a name leads: knows some, or knows nobody for a while."""

    known: Mapping[str, str]
    asked: list[str] = field(default_factory=list)

    async def lookup(self, name: str, deadline: timedelta) -> str:
        """As `address_of`."""
        self.asked.append(name)
        if name not in self.known:
            raise Transient(f"no resolver tells where {name} is: NXDOMAIN")
        return self.known[name]


def nameservers(directory: Directory, port: int, host: str = SERVER) -> Nameservers:
    """Of one authority, with two sites behind the weighted name."""
    sites = {"192.0.2.10": Site("aws"), "192.0.2.20": Site("azure")}
    return Nameservers(host=host, port=port, names={PAY: (NAME,)}, sites=sites, patience=SOON, lookup=directory.lookup)


async def test_a_name_server_is_asked_where_its_name_leads() -> None:
    """Settings that are written from stacks name it as the vendor does."""
    async with serving(everywhere_pay_example_com=("192.0.2.20",)) as server:
        directory = Directory({SERVER: HOST})
        assert await nameservers(directory, server.port).named(PAY) == {"azure"}
        assert directory.asked == [SERVER] and set(server.asked) == {NAME}


async def test_an_address_is_looked_up_nowhere() -> None:
    """As in the lab."""
    async with serving(everywhere_pay_example_com=("192.0.2.10",)) as server:
        directory = Directory({})
        assert await nameservers(directory, server.port, host=HOST).named(PAY) == {"aws"}
        assert directory.asked == []


async def test_while_nobody_tells_where_it_is_the_last_address_stands() -> None:
    """The resolver beside a controller may be down in the very outage in which answers matter; a name that was never found is unknown."""
    async with serving(everywhere_pay_example_com=("192.0.2.10",)) as server:
        directory = Directory({SERVER: HOST})
        servers = nameservers(directory, server.port)
        await servers.named(PAY)
        directory.known = {}
        assert await servers.named(PAY) == {"aws"} and directory.asked == [SERVER, SERVER]
        with pytest.raises(Transient, match=SERVER):
            await nameservers(directory, server.port).named(PAY)


async def test_a_name_is_looked_up_as_clients_look_it_up() -> None:
    """Of several addresses always the same one, so that two looks are of one server; a name that is not there is no address."""
    async with serving(ns_pay_example_com=("192.0.2.9", "192.0.2.5")) as server:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [HOST], server.port
        assert await address_of("ns.pay.example.com", SOON, resolver) == "192.0.2.5"
        with pytest.raises(Transient, match=r"ns-9\.pay\.example\.com is: NXDOMAIN"):
            await address_of("ns-9.pay.example.com", SOON, resolver)
