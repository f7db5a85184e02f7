"""What Azure's adapter promises beyond the contract of all authorities, against the emulated Azure."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from controller.core.model import Group
from controller.errors import Transient, Unsupported
from controller.ports import SteeringReport
from controller.providers.azure.dns import AzureDns
from controller.providers.azure.session import Arm, traffic_manager_client
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.faults import FaultKind, Rule
from tests.contract.azure_worlds import GROUP, ZONE, AzureWorld, Emulated, azure_world, emulated_azure, profile
from tests.contract.dns_worlds import ADDRESSES, ALL, AWS, DRAINED, GCP, LONG, SHORT
from tests.contract.weather import BECOMES

PUT, LIST, ALIASES = "Profiles_CreateOrUpdate", "Profiles_List", "RecordSets_List"


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The emulated Azure, shared by the module."""
    with emulated_azure(tmp_path_factory.mktemp("azure")) as found:
        yield found


@pytest.fixture
async def world(emulated: Emulated, request: pytest.FixtureRequest) -> AsyncIterator[AzureWorld]:
    """The adapter on profiles nobody else uses."""
    test = "".join(c if c.isalnum() else "-" for c in request.node.name)[:32].strip("-").lower()
    async with azure_world(emulated, test) as made:
        yield made


async def test_steering_keeps_what_the_deployment_gave_a_profile(world: AzureWorld) -> None:
    """A put replaces the whole profile: monitor, TTL, tags, endpoints of others and what this SDK does not know survive it."""
    name = world.names(world.first)[0]
    deployed = profile(world.first, name, ADDRESSES)
    deployed["tags"]["team"] = "ledger"
    deployed["properties"] |= {"newerThanTheSdk": {"kept": True}, "trafficViewEnrollmentStatus": "Disabled"}
    stranger = {"target": "198.51.100.9", "weight": 3, "endpointStatus": "Enabled"}
    deployed["properties"]["endpoints"].append(
        {**deployed["properties"]["endpoints"][0], "name": "by-hand", "properties": stranger}
    )
    await world.put(name, deployed)
    before = await world.profile(name)
    report = await world.dns.steer({world.first: DRAINED}, LONG)
    after = await world.profile(name)
    assert report.in_sync
    assert any("by-hand" in text for text in await world.dns.foreign())
    assert (await world.endpoints(name))["azure"]["endpointStatus"] == "Disabled"
    for read in (before, after):
        read.pop("etag")
        for endpoint in read["properties"]["endpoints"]:
            if endpoint["name"] in ADDRESSES:
                endpoint["properties"] = endpoint["properties"]["target"]
    assert after == before


async def test_the_name_servers_answer_what_was_steered(world: AzureWorld) -> None:
    """The zone's aliases follow the profiles, each with its own TTL, and say what the health check asks."""
    await world.dns.steer({world.first: DRAINED}, LONG)
    async with asyncio.timeout(5):
        revision, found = 0, set[tuple[Any, ...]]()
        wanted = {(n.absolute, n.ttl, ADDRESSES[s], "/beacon") for n in world.names(world.first) for s in (AWS, GCP)}
        while found != wanted:
            news = await world.control.zone(ZONE, after=revision, patience=1)
            if news is not None:
                revision = news.revision
                names = {name.absolute for name in world.names(world.first)}
                found = {(r.name, r.ttl, r.values[0], r.health) for r in news.records if r.name in names}


async def test_an_evacuation_takes_few_calls(world: AzureWorld) -> None:
    """Three groups of two names: a list, a put for each profile that differs, and a list to read them back."""
    third = Group(f"{world.test}-3")
    world.groups[third] = GroupRecords(names=world.names(third), addresses=ADDRESSES)
    for name in world.names(third):
        await world.put(name, profile(third, name, ADDRESSES))
    dns = world.another()
    assert (await dns.steer(dict.fromkeys(world.groups, ALL), LONG)).in_sync
    asked = dns.calls
    report = await dns.steer(dict.fromkeys(world.groups, DRAINED), LONG)
    assert report.in_sync and len(report.shifts) == 3
    assert dns.calls - asked == 1 + 6 + 1 <= 10
    await dns.steer(dict.fromkeys(world.groups, DRAINED), LONG)
    assert dns.calls - asked == 8 + 1, "reconciling what stands is one list"


@pytest.mark.parametrize("wrong", ["missing", "untagged", "priority", "disabled", "unaliased"])
async def test_what_is_wrong_in_the_zone_refuses_one_group_by_name(world: AzureWorld, wrong: str) -> None:
    """Nothing of that group is touched, the other is steered, and the refusal says which name and what would mend it."""
    name = world.names(world.second)[1]
    if wrong == "missing":
        lonely = WeightedName(name=f"{world.test}-lonely.{ZONE}", ttl=2)
        world.groups[world.second] = GroupRecords(names=(world.names(world.second)[0], lonely), addresses=ADDRESSES)
        name = lonely
    elif wrong == "unaliased":
        world.groups[world.second] = GroupRecords(
            names=(WeightedName(name=f"{world.test}-bare.{ZONE}", ttl=2),), addresses=ADDRESSES
        )
        name = world.groups[world.second].names[0]
        await world.put(name, profile(world.second, name, ADDRESSES), aliased=False)
    else:
        part = {"priority": {"trafficRoutingMethod": "Priority"}, "disabled": {"profileStatus": "Disabled"}}.get(wrong, {})
        deployed = profile(world.second, name, ADDRESSES)
        deployed["tags"] = {} if wrong == "untagged" else deployed["tags"]
        deployed["properties"] |= part
        await world.put(name, deployed)
    dns = world.another()
    sent = await world.changes()
    report = await dns.steer({world.second: DRAINED, world.first: DRAINED}, LONG)
    assert set(report.shifts) == {world.first} and set(report.refused) == {world.second}
    assert name.name in report.refused[world.second]
    assert await world.changes() == sent + len(world.names(world.first))


async def test_an_alias_of_another_profile_is_no_proof(world: AzureWorld) -> None:
    """The zone answers the name, from somewhere else: steering our profile would move nobody."""
    first, second = world.names(world.first)
    alias: Any = {"properties": {"targetResource": {"id": (await world.profile(first))["id"]}}}
    relative = second.name.removesuffix(f".{ZONE}")
    await asyncio.to_thread(lambda: world.records.record_sets.create_or_update(GROUP, ZONE, relative, "A", alias))
    report = await world.dns.steer({world.first: DRAINED}, LONG)
    assert not report.shifts
    assert "no alias" in report.refused[world.first]


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.UNAVAILABLE, FaultKind.LIE])
async def test_a_zone_that_cannot_be_asked_holds_back_no_steering(world: AzureWorld, kind: FaultKind) -> None:
    """Azure DNS stumbles while Traffic Manager answers: the weights move, and nobody claims that the zone answers by them."""
    await world.control.inject([Rule(kind=kind, operation=ALIASES)])
    report = await world.dns.steer({world.first: DRAINED}, timedelta(seconds=1.5))
    assert set(report.shifts) == {world.first}
    assert not report.in_sync
    await world.weather.heal()
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync


async def test_the_zones_answer_is_proven_once(world: AzureWorld) -> None:
    """The proof costs a controller one list of the zone in its life, page by page where the zone is large."""
    body: Any = {"properties": {"TTL": 60, "ARecords": [{"ipv4Address": "192.0.2.1"}]}}

    def fill() -> None:
        for number in range(101):
            world.records.record_sets.create_or_update(GROUP, ZONE, f"a{number}", "A", body)

    await asyncio.to_thread(fill)
    before = (await world.control.requests()).get(ALIASES, 0)
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync
    proven = (await world.control.requests())[ALIASES]
    assert proven >= before + 2
    for ratios in (ALL, DRAINED):
        assert (await world.dns.steer({world.first: ratios}, LONG)).in_sync
    assert (await world.control.requests())[ALIASES] == proven


async def test_whoever_steers_for_the_first_time_has_looked_at_the_zone_before(world: AzureWorld) -> None:
    """A survivor's first steering is a failover. It reads now and then before that, and by then knows what the zone answers: its
    failover is a list, the puts and a list, in a zone of whatever size."""
    dns = world.another()
    await dns.read()
    asked, looked = dns.calls, (await world.control.requests())[ALIASES]
    assert (await dns.steer({world.first: DRAINED}, LONG)).in_sync
    assert dns.calls - asked == 1 + len(world.names(world.first)) + 1
    await dns.read()
    assert (await world.control.requests())[ALIASES] == looked


async def test_names_of_services_are_not_looked_at(world: AzureWorld) -> None:
    """A thousand names alias those of the groups, which lie one label deeper: they are no pages to be fetched."""
    below = WeightedName(name=f"w.{world.test}.g.{ZONE}", ttl=2)
    world.groups = {world.first: GroupRecords(names=(below,), addresses=ADDRESSES)}
    await world.put(below, profile(world.first, below, ADDRESSES))
    body: Any = {"properties": {"TTL": 60, "ARecords": [{"ipv4Address": "192.0.2.1"}]}}

    def fill() -> None:
        for number in range(101):
            world.records.record_sets.create_or_update(GROUP, ZONE, f"b{number}", "A", body)

    await asyncio.to_thread(fill)
    looked = (await world.control.requests()).get(ALIASES, 0)
    assert (await world.another().steer({world.first: DRAINED}, LONG)).in_sync
    assert (await world.control.requests())[ALIASES] == looked + 1


async def test_a_name_without_a_profile_shows_in_a_read(world: AzureWorld) -> None:
    """Somebody took the tag off one of two: a read of the other alone would say that all is as it should be."""
    await world.dns.steer({world.first: DRAINED}, LONG)
    await world.patch(world.names(world.first)[1], {"tags": {"trimaran": "somebody-else"}})
    held = (await world.dns.read())[world.first]
    assert sum(held.values()) == pytest.approx(0.5)


async def test_a_zone_that_azure_dns_does_not_know_is_named(world: AzureWorld) -> None:
    """The profiles are there, and nothing answers from them."""
    dns = AzureDns(
        profiles=lambda: world.profiles,
        records=lambda: world.records,
        resource_group=GROUP,
        zone="lost.test",
        groups=world.groups,
    )
    sent = await world.changes()
    with pytest.raises(Unsupported, match=r"lost\.test"):
        await dns.steer({world.first: DRAINED}, LONG)
    assert await world.changes() == sent


async def test_weights_that_did_not_come_to_stand_are_not_in_sync(world: AzureWorld) -> None:
    """Azure answered with our own weights and kept others: only a reading tells."""
    await world.weather.ignore_change()
    report = await world.dns.steer({world.first: DRAINED}, LONG)
    assert set(report.shifts) == {world.first}
    assert not report.in_sync


async def test_nobody_who_can_tell_is_not_in_sync(world: AzureWorld) -> None:
    """The puts are accepted, and every question after them hangs: the weights stand, and nobody claims to have seen it."""
    await world.dns.steer({world.first: ALL}, LONG)
    sent = await world.changes()
    await world.control.inject([Rule(kind=FaultKind.DELAY, operation=PUT, seconds=5)])
    steering = asyncio.create_task(world.dns.steer({world.first: DRAINED}, timedelta(seconds=1)))
    await world.change_under_way(sent + 1)
    await world.control.inject([Rule(kind=FaultKind.HANG, operation=LIST)])
    report = await steering
    assert set(report.shifts) == {world.first}
    assert not report.in_sync


async def test_some_profiles_put_and_others_not_are_told_by_group_and_mended(world: AzureWorld) -> None:
    """Traffic Manager has no batch. Four puts, of which two are turned away for as long as anybody asks: no group is said to stand that
    does not, and the next steering puts only what still differs."""
    both = {world.first: DRAINED, world.second: DRAINED}
    await world.dns.steer(dict.fromkeys(both, ALL), LONG)
    lost = [Rule(kind=FaultKind.LOSE_ANSWER, operation=PUT, count=2), Rule(kind=FaultKind.UNAVAILABLE, operation=PUT)]
    await world.control.inject(lost)
    told = (await asyncio.gather(world.dns.steer(both, SHORT), return_exceptions=True))[0]
    await world.weather.heal()
    names = [name for group in both for name in world.names(group)]
    moved = [name for name in names if (await world.endpoints(name))["azure"]["endpointStatus"] == "Disabled"]
    assert len(moved) == 2, "the emulated Azure carried out what it did not answer"
    standing = {group for group in both if set(world.names(group)) <= set(moved)}
    assert isinstance(told, SteeringReport if standing else Transient)
    assert not isinstance(told, SteeringReport) or set(told.shifts) == standing
    sent = await world.changes()
    assert (await world.dns.steer(both, LONG)).in_sync
    assert await world.changes() == sent + 2


async def test_puts_go_four_at_a_time(world: AzureWorld) -> None:
    """One after the other, six profiles would cost six round trips; all at once, a thousand would spend the subscription's writes."""
    third = Group(f"{world.test}-3")
    world.groups[third] = GroupRecords(names=world.names(third), addresses=ADDRESSES)
    for name in world.names(third):
        await world.put(name, profile(third, name, ADDRESSES))
    sent = await world.changes()
    await world.control.inject([Rule(kind=FaultKind.DELAY, operation=PUT, seconds=10)])
    steering = asyncio.create_task(world.another().steer(dict.fromkeys(world.groups, DRAINED), LONG))
    await world.change_under_way(sent + 3)
    await asyncio.sleep(0.2)
    assert await world.changes() == sent + 4
    await world.weather.heal()
    assert len((await steering).shifts) == 3
    assert await world.changes() == sent + 6


async def test_a_put_that_waits_for_its_turn_is_not_sent_once_others_are_asked_for(world: AzureWorld) -> None:
    """Four puts hang, two wait behind them; a failover asks for something else meanwhile. Sent late, the two would stand last."""
    third = Group(f"{world.test}-3")
    world.groups[third] = GroupRecords(names=world.names(third), addresses=ADDRESSES)
    for name in world.names(third):
        await world.put(name, profile(third, name, ADDRESSES))
    dns, sent = world.another(), await world.changes()
    await world.control.inject([Rule(kind=FaultKind.DELAY, operation=PUT, seconds=10)])
    older = asyncio.create_task(dns.steer(dict.fromkeys(world.groups, DRAINED), LONG))
    await world.change_under_way(sent + 3)
    newer = asyncio.create_task(dns.steer({third: ALL}, LONG))
    await asyncio.sleep(0)
    await world.weather.heal()
    first, second = await older, await newer
    assert "meanwhile" in first.refused[third] and third not in first.shifts
    assert second.in_sync
    assert await world.changes() == sent + 4, "what was asked for last stood already"


async def test_a_wish_that_stands_and_is_no_longer_meant_is_not_told_as_standing(world: AzureWorld) -> None:
    """It reads that all is as it wished, while the later wish waits to change it."""
    first, second = await asyncio.gather(
        world.dns.steer({world.first: ALL, world.second: ALL}, LONG), world.dns.steer({world.first: DRAINED}, LONG)
    )
    assert "meanwhile" in first.refused[world.first]
    assert set(first.shifts) == {world.second} and set(second.shifts) == {world.first}


@pytest.mark.parametrize(("kind", "error"), BECOMES)
@pytest.mark.parametrize("operation", [LIST, PUT])
async def test_vendor_errors_become_ours(world: AzureWorld, kind: FaultKind, error: type[Exception], operation: str) -> None:
    """Whatever the API answers, and to which question, the caller sees who must act; nothing of azure-core gets through."""
    await world.control.inject([Rule(kind=kind, operation=operation)])
    with pytest.raises(error):
        await world.dns.steer({world.first: DRAINED}, SHORT)


@pytest.mark.parametrize("operation", [LIST, PUT])
async def test_one_lie_is_asked_past(world: AzureWorld, operation: str) -> None:
    """A page of a proxy in between costs one more try, whatever it was put in the place of."""
    await world.control.inject([Rule(kind=FaultKind.LIE, operation=operation, count=1)])
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync


@pytest.mark.parametrize("operation", [LIST, PUT])
async def test_a_busy_profile_is_asked_again(world: AzureWorld, operation: str) -> None:
    """`AnotherOperationInProgress` is the vendor's word for a pause, not a refusal."""
    await world.control.inject([Rule(kind=FaultKind.BUSY, operation=operation, count=2)])
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync


async def test_the_sdk_does_not_wait_where_we_do(world: AzureWorld) -> None:
    """Three throttled requests cost our pauses of 0.1, 0.2 and 0.4 s; the SDK would wait for `Retry-After` and try ten times."""
    await world.weather.throttle(3)
    began = time.monotonic()
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync
    assert time.monotonic() - began < 4


async def test_a_server_that_nobody_vouches_for_gets_no_token(world: AzureWorld, emulated: Emulated) -> None:
    """Without the authority's certificate the connection ends before a request is sent."""
    arm = replace(emulated.arm, authority_file=None)
    before = await world.control.requests()
    dns = AzureDns(
        profiles=lambda: traffic_manager_client(arm, emulated.credential),
        records=lambda: world.records,
        resource_group=GROUP,
        zone=ZONE,
        groups=world.groups,
    )
    with pytest.raises(Transient, match=r"(?i)certificate"):
        await dns.read()
    assert (await world.control.requests()).get(LIST) == before.get(LIST)


async def test_a_request_without_a_token_is_turned_away(emulated: Emulated) -> None:
    """The emulated Azure asks for what the real one does; an adapter that forgot its credential would not pass here either."""

    class Nobody:
        def get_token(self, *_: str, **__: Any) -> Any:
            from azure.core.credentials import AccessToken

            return AccessToken("", int(time.time()) + 3600)

    arm: Arm = emulated.arm
    client = traffic_manager_client(arm, Nobody())
    with pytest.raises(ClientAuthenticationError):
        await asyncio.to_thread(lambda: list(client.profiles.list_by_resource_group(GROUP)))
    client.close()
