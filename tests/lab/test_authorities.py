"""The three authorities start from one description, answer alike, and are lost one at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from lab.authorities import Authority, start_authorities, url
from lab.clouds.faults import FaultKind, Rule
from lab.errors import LabError
from lab.resolver import Answer, UnresolvedError, udp
from lab.site_settings import ADDRESSES, ALIASES, GROUP, HOSTS, NAMES, WEIGHTED, ZONE
from lab.vendors import AUTHORITIES, VENDORS
from lab.workspace import Workspace
from lab.zones import Steered

STEERED = Steered(group=GROUP, names=WEIGHTED, addresses=ADDRESSES, aliases=ALIASES)
pytestmark = pytest.mark.timeout(60)

Authorities = dict[str, Authority]


@pytest.fixture(scope="module")
def authorities() -> Iterator[Authorities]:
    """All three. Health checks have no route, and are not due before this is over."""
    with Workspace("test-authorities") as workspace:
        ports = {place: workspace.port() for place in AUTHORITIES}
        yield dict(asyncio.run(start_authorities(workspace, ports, {}, ZONE, STEERED)))


async def asked(authority: Authority, name: str, patience: float = 2.0) -> Answer:
    """One client's question."""
    return await udp("127.0.0.1", authority.dns_port)(name, patience)


@pytest.mark.parametrize("place", AUTHORITIES)
async def test_every_authority_spreads_clients_over_all_sites(authorities: Authorities, place: str) -> None:
    """Equal shares, each name with its own TTL, one address an answer; the aliases of services lead to the same."""
    for name, ttl in (*WEIGHTED.items(), *NAMES.items()):
        found = [await asked(authorities[place], name) for _ in range(60)]
        assert {answer.ttl for answer in found} == {ttl}, name
        counts = Counter(answer.addresses for answer in found)
        assert set(counts) == {(address,) for address in ADDRESSES.values()}, name


async def published(authority: Authority) -> list[dict[str, Any]]:
    """The zone as the name servers may answer it."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url(authority.control_port)}/_lab/zones/{authority.zone_id}") as answer:
            records: list[dict[str, Any]] = (await answer.json())["records"]
            return records


@pytest.mark.parametrize("place", AUTHORITIES)
async def test_names_of_a_service_alias_those_of_its_group(authorities: Authorities, place: str) -> None:
    """What clients know carries no weight anywhere: a thousand more services would add as many names and none to steer."""
    records = [one for one in await published(authorities[place]) if one["type"] in ("A", "CNAME")]
    weighed = {one["name"].removesuffix(".") for one in records if one["weight"] is not None}
    assert weighed == set(WEIGHTED)
    targets = {
        one["name"].removesuffix("."): (one["alias"] or one["values"][0]).removesuffix(".")
        for one in records
        if one["weight"] is None
    }
    assert targets == dict(ALIASES) and set(targets) == {name for names in HOSTS.values() for name in names}


@pytest.mark.parametrize("place", AUTHORITIES)
async def test_every_record_is_checked_at_every_site(authorities: Authorities, place: str) -> None:
    """No authority answers a weighted record that it never asks about."""
    records = await published(authorities[place])
    weighted = [record for record in records if record["weight"] is not None]
    assert len(weighted) == len(WEIGHTED) * len(ADDRESSES)
    asked_about = {record["health"].removeprefix(f"http://{record['values'][0]}").removeprefix(":80") for record in weighted}
    assert asked_about == {"/beacon"}


@pytest.mark.parametrize("place", AUTHORITIES)
async def test_a_lost_api_costs_no_answer(authorities: Authorities, place: str) -> None:
    """Only that API fails, and only until it is healed; its name servers and the other two go on."""
    await authorities[place].fail_api(Rule(kind=FaultKind.REFUSE))
    for authority in authorities.values():
        assert (await asked(authority, f"payments.{ZONE}")).addresses
        assert (await _api_answers(authority)) is (authority.vendor.place != place)
    await authorities[place].fail_api()
    assert await _api_answers(authorities[place])


async def _api_answers(authority: Authority) -> bool:
    scheme = "https" if authority.vendor.secure else "http"
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
            async with http.get(f"{scheme}://127.0.0.1:{authority.api_port}/subscriptions/any") as answer:
                await answer.read()
    except aiohttp.ClientError:
        return False
    return True


@pytest.mark.parametrize("place", AUTHORITIES)
async def test_lost_name_servers_are_silent_and_refuse_nothing(authorities: Authorities, place: str) -> None:
    """As in the field: whoever asks waits for all of his patience, the other two answer, and healing brings them back."""
    lost = authorities[place]
    lost.silence()
    try:
        began = time.monotonic()
        with pytest.raises(UnresolvedError):
            await asked(lost, f"payments.{ZONE}", 0.3)
        assert time.monotonic() - began >= 0.3
        others = [one for one in authorities.values() if one is not lost]
        assert all([(await asked(one, f"payments.{ZONE}")).addresses for one in others])
        assert await _api_answers(lost)
    finally:
        lost.speak()
    assert (await asked(lost, f"payments.{ZONE}")).addresses


async def test_what_does_not_answer_the_lab_is_told(authorities: Authorities) -> None:
    """A lab that cannot do what it was ordered to says so."""
    lost = authorities["clouddns"]
    lost.silence()
    try:
        with pytest.raises(LabError, match="does not answer"):
            async with asyncio.timeout(10):
                await lost.keep_stale(stale=True)
    finally:
        lost.speak()


def test_places_of_authorities_are_no_sites() -> None:
    """A fault of Azure DNS must not be one of the site azure."""
    assert not set(AUTHORITIES) & set(ADDRESSES)
    assert [VENDORS[place].title for place in AUTHORITIES] == ["Route 53", "Azure DNS and Traffic Manager", "Cloud DNS"]
