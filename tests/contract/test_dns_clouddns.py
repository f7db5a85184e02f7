"""What only Cloud DNS does: changes that hold against what was read, record sets without a mark, questions by suffix, limits."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.core.model import Group
from controller.errors import Conflict, Denied, Transient
from controller.providers.gcp.dns import CloudDns
from controller.providers.gcp.identity import StaticCredentials
from controller.providers.gcp.session import Client
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.faults import FaultKind, Rule
from tests.contract.dns_worlds import ADDRESSES, ALL, AWS, AZURE, DRAINED, GCP, LONG, SHORT, SPENT
from tests.contract.google_worlds import CHANGE, PROJECT, ZONE, CloudDnsWorld, clouddns_world, emulated_google

LIST = "dns.resourceRecordSets.list"
HALVES = {AWS: 0.5, AZURE: 0.0, GCP: 0.5}
CHECK = "https://www.googleapis.com/compute/v1/projects/lab/global/healthChecks/beacon"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated Google of this module."""
    with emulated_google(tmp_path_factory.mktemp("google")) as found:
        yield found


@pytest.fixture
async def world(url: str, request: pytest.FixtureRequest) -> AsyncIterator[CloudDnsWorld]:
    """Record sets of this test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.originalname)[:40].strip("-")
    async with clouddns_world(url, name) as made:
        yield made


def policy(record: Mapping[str, Any]) -> dict[str, Any]:
    """The routing policy without what only the server writes."""
    return {key: value for key, value in record["routingPolicy"].items() if key != "kind"}


async def test_two_groups_take_one_question_one_change_and_few_looks(world: CloudDnsWorld) -> None:
    """An evacuation is one list, one change and the looks until it is done: far below ten requests."""
    before = await world.api.control.requests()
    report = await world.dns.steer({world.first: DRAINED, world.second: DRAINED}, LONG)
    after = await world.api.control.requests()
    asked = {name: after[name] - before.get(name, 0) for name in after if after[name] > before.get(name, 0)}
    assert report.in_sync
    assert asked.pop(LIST) == asked.pop(CHANGE) == 1
    assert set(asked) == {"dns.changes.get"} and asked["dns.changes.get"] <= 4
    assert world.dns.calls == 2 + asked["dns.changes.get"]


async def test_a_change_in_between_is_seen_and_kept_where_it_is_not_ours(world: CloudDnsWorld) -> None:
    """Somebody changes the TTL between our reading and our change: ours fails as a whole, is made anew, and their TTL stays."""
    await world.weather.delay_change(0.3)
    steering = asyncio.create_task(world.dns.steer({world.first: DRAINED, world.second: DRAINED}, LONG))
    sent = await world.changes()
    async with asyncio.timeout(5):
        while await world.changes() == sent:
            await asyncio.sleep(0.01)
    name = world.groups[world.first].names[0]
    await world.replace(name, {"ttl": 17})
    report = await steering
    assert report.in_sync and set(report.shifts) == {world.first, world.second}
    assert await world.changes() - sent >= 2, "the first one failed"
    assert (await world.record(name))["ttl"] == 17
    assert (await world.dns.read())[world.first] == HALVES


async def test_a_zone_that_never_stands_still_ends_at_the_deadline(world: CloudDnsWorld) -> None:
    """Every change meets another one's: Conflict when the deadline is over, and nothing of it was done."""
    await world.api.control.inject([Rule(kind=FaultKind.BUSY, operation=CHANGE)])
    with pytest.raises(Conflict):
        await world.dns.steer({world.first: DRAINED}, SHORT)
    await world.weather.heal()
    assert (await world.dns.read())[world.first] == pytest.approx(dict.fromkeys(ALL, 1 / 3))


async def test_a_health_check_survives_steering(world: CloudDnsWorld) -> None:
    """Items whose endpoints are health-checked are weighed and stay checked; everything else of the record set stays as it was."""
    name = world.groups[world.first].names[0]
    items = [{"weight": 1, "healthCheckedTargets": {"externalEndpoints": [address]}} for address in ADDRESSES.values()]
    await world.replace(name, {"ttl": 9, "routingPolicy": {"healthCheck": CHECK, "wrr": {"items": items}}})
    await world.dns.steer({world.first: DRAINED}, LONG)
    record = await world.record(name)
    assert record["ttl"] == 9
    assert policy(record)["healthCheck"] == CHECK
    checked = [(item["healthCheckedTargets"], item["weight"]) for item in policy(record)["wrr"]["items"]]
    assert checked == [(item["healthCheckedTargets"], weight) for item, weight in zip(items, (120, 0, 120), strict=True)]
    news = await world.api.control.zone(ZONE)
    assert news is not None
    published = [record for record in news.records if record.name == name.absolute]
    assert [(record.values, record.weight, record.health) for record in published] == [
        ((address,), weight, "/beacon") for address, weight in zip(ADDRESSES.values(), (120, 0, 120), strict=True)
    ]


async def test_a_name_that_is_an_alias_is_left_out_by_name(world: CloudDnsWorld) -> None:
    """A CNAME in the place of a group's name is not seen by a question for A records; the vendor's refusal names it, the others go on."""
    group = Group("alias")
    name = WeightedName(name=f"alias-{world.first}.trimaran.test", ttl=2)
    cname = {"name": name.absolute, "type": "CNAME", "ttl": 5, "rrdatas": ["elsewhere.trimaran.test."]}
    await world.change({"additions": [cname]})
    groups = {**world.groups, group: GroupRecords(names=(name,), addresses=ADDRESSES)}
    dns = CloudDns(client=world.client, project=PROJECT, zone=ZONE, groups=groups)
    report = await dns.steer({group: DRAINED, world.first: DRAINED}, LONG)
    assert set(report.shifts) == {world.first} and report.in_sync
    assert name.absolute in report.refused[group]


async def test_a_record_set_that_is_missing_is_made(world: CloudDnsWorld) -> None:
    """With the TTL of the settings, and found absent by a read before."""
    group, name = Group("new"), WeightedName(name=f"new-{world.first}.trimaran.test", ttl=7)
    records = GroupRecords(names=(name,), addresses=ADDRESSES)
    dns = CloudDns(client=world.client, project=PROJECT, zone=ZONE, groups={group: records})
    assert await dns.read() == {group: {}}
    report = await dns.steer({group: DRAINED}, LONG)
    assert report.shifts[group].before == {}
    assert (await world.record(name))["ttl"] == 7
    assert await dns.read() == {group: {AWS: 0.5, GCP: 0.5}}


async def test_foreign_record_sets_are_told_and_not_read(world: CloudDnsWorld) -> None:
    """A group in whose place stands somebody else's record set is absent from a read, and named with what is wrong."""
    await world.take(world.second)
    assert set(await world.dns.read()) == {world.first}
    (stranger,) = await world.dns.foreign()
    assert world.second in stranger and "plain" in stranger


async def test_names_are_asked_for_one_by_one_where_a_suffix_does_not_do(world: CloudDnsWorld) -> None:
    """Far more records below the domain than one question brings: the names are asked for by themselves, and no page is forgotten."""
    crowd = [
        {"name": f"a{number:04}.crowd-{world.first}.trimaran.test.", "type": "A", "ttl": 5, "rrdatas": ["198.51.100.1"]}
        for number in range(3100)
    ]
    for begin in range(0, len(crowd), 500):
        await world.change({"additions": crowd[begin : begin + 500]})
    names = tuple(WeightedName(name=f"z-{kind}.crowd-{world.first}.trimaran.test", ttl=2) for kind in ("one", "two"))
    group = Group("crowded")
    dns = CloudDns(
        client=world.client,
        project=PROJECT,
        zone=ZONE,
        groups={group: GroupRecords(names=names, addresses=ADDRESSES)},
        read_deadline=timedelta(seconds=10),
    )
    assert (await dns.steer({group: DRAINED}, timedelta(seconds=10))).shifts[group].after == {AWS: 0.5, GCP: 0.5}
    asked = dns.calls
    assert await dns.read() == {group: {AWS: 0.5, GCP: 0.5}}
    assert dns.calls - asked == 3 + 2, "three pages, then each name"


async def test_hundreds_of_groups_stay_within_ten_requests(world: CloudDnsWorld) -> None:
    """Two hundred groups of two names are split by the vendor's limits, and each change settles its own groups."""
    groups = {
        Group(f"g{number}"): GroupRecords(
            names=tuple(WeightedName(name=f"{kind}{number}.many-{world.first}.trimaran.test", ttl=2) for kind in "ab"),
            addresses=ADDRESSES,
        )
        for number in range(200)
    }
    dns = CloudDns(client=world.client, project=PROJECT, zone=ZONE, groups=groups)
    await dns.steer(dict.fromkeys(groups, ALL), timedelta(seconds=20))
    asked = dns.calls
    report = await dns.steer(dict.fromkeys(groups, DRAINED), timedelta(seconds=20))
    assert len(report.shifts) == 200 and report.in_sync and not report.refused
    assert dns.calls - asked <= 10
    assert set(map(tuple, map(sorted, (ratios.items() for ratios in (await dns.read()).values())))) == {
        tuple(sorted(HALVES.items()))
    }


async def test_a_change_that_got_halfway_is_told_apart_by_group(world: CloudDnsWorld) -> None:
    """Of two changes the second never gets in: its groups are left out with the reason, the others stand, and asking again mends it."""
    groups = {
        Group(f"h{number}"): GroupRecords(
            names=tuple(WeightedName(name=f"{kind}{number}.half-{world.first}.trimaran.test", ttl=2) for kind in "ab"),
            addresses=ADDRESSES,
        )
        for number in range(120)
    }
    dns = CloudDns(client=world.client, project=PROJECT, zone=ZONE, groups=groups)
    await dns.steer(dict.fromkeys(groups, ALL), timedelta(seconds=20))
    await world.api.control.inject(
        [
            Rule(kind=FaultKind.LOSE_ANSWER, operation=CHANGE, count=1),
            Rule(kind=FaultKind.UNAVAILABLE, operation=CHANGE),
        ]
    )
    report = await dns.steer(dict.fromkeys(groups, DRAINED), timedelta(seconds=2))
    assert report.shifts and report.refused
    assert report.shifts.keys() | report.refused.keys() == groups.keys()
    assert all("steer again" in why for why in report.refused.values())
    held = await dns.read()
    assert all(held[group] == HALVES for group in report.shifts)
    await world.weather.heal()
    assert (await dns.steer(dict.fromkeys(groups, DRAINED), timedelta(seconds=20))).in_sync


async def test_in_sync_is_never_claimed_for_a_change_nobody_can_ask_about(world: CloudDnsWorld) -> None:
    """The change is accepted, and then the API has no answer about it: the weights stand, and the rest is not known."""
    await world.api.control.inject([Rule(kind=FaultKind.UNAVAILABLE, operation="dns.changes.get")])
    report = await world.dns.steer({world.first: DRAINED}, SPENT)
    assert report.shifts[world.first].after == HALVES
    assert not report.in_sync


async def test_in_sync_is_asked_anew_for_a_change_whose_answer_was_lost(world: CloudDnsWorld) -> None:
    """The same weights were in sync before somebody changed them; put back by a change without an answer, they are not known to be."""
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync
    await world.set_by_hand(world.first, AZURE, 1.0)
    lost = Rule(kind=FaultKind.LOSE_ANSWER, operation=CHANGE, count=1)
    await world.api.control.inject([lost, Rule(kind=FaultKind.UNAVAILABLE, operation="dns.changes.list")])
    report = await world.dns.steer({world.first: DRAINED}, SPENT)
    assert report.shifts[world.first].after == HALVES
    assert not report.in_sync
    await world.weather.heal()
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync


async def test_a_controller_that_sent_no_change_asks_for_the_newest(world: CloudDnsWorld) -> None:
    """What another one did stands, and is in sync once the zone's newest change is done; when nobody can say, it is not known."""
    await world.dns.steer({world.first: DRAINED}, LONG)
    sent = await world.changes()
    await world.api.control.inject([Rule(kind=FaultKind.UNAVAILABLE, operation="dns.changes.list")])
    assert not (await world.another().steer({world.first: DRAINED}, SPENT)).in_sync
    await world.weather.heal()
    assert (await world.another().steer({world.first: DRAINED}, LONG)).in_sync
    assert await world.changes() == sent


async def test_an_answer_of_the_wrong_kind_is_no_empty_zone(world: CloudDnsWorld) -> None:
    """A proxy that answers `{}` is told as an answer that cannot be read; read as an empty zone it would have every record made anew."""

    class Proxied(Client):
        def ask(self, question: Any) -> dict[str, Any]:
            return {}

    client = Proxied("dns", "v1", endpoint=world.api.url, credentials=StaticCredentials("lab"))
    dns = CloudDns(client=lambda: client, project=PROJECT, zone=ZONE, groups=world.groups)
    with pytest.raises(Transient, match="resourceRecordSetsListResponse"):
        await dns.read()
    with pytest.raises(Transient, match="resourceRecordSetsListResponse"):
        await dns.steer({world.first: DRAINED}, SHORT)


async def test_a_lab_token_never_leaves_for_the_vendor(world: CloudDnsWorld) -> None:
    """Without an endpoint the client would ask Google itself: the lab's token is refused before anything is sent."""
    client = Client("dns", "v1", endpoint=None, credentials=StaticCredentials("lab"))
    dns = CloudDns(client=lambda: client, project=PROJECT, zone=ZONE, groups=world.groups)
    with pytest.raises(Denied, match="federated"):
        await dns.read()


async def test_a_refused_token_is_denied(world: CloudDnsWorld) -> None:
    """Another project is not ours: somebody has to mend the permissions, and no retry helps."""
    dns = CloudDns(client=world.client, project="somebody-elses", zone=ZONE, groups=world.groups)
    with pytest.raises(Denied):
        await dns.steer({world.first: DRAINED}, LONG)


async def test_a_group_without_an_address_of_a_site_reads_as_foreign(world: CloudDnsWorld) -> None:
    """An item that answers an address nobody gave this group is not ours, even if it is another site's in truth."""
    records = world.groups[world.first]
    fewer = replace(records, addresses={site: address for site, address in ADDRESSES.items() if site != GCP})
    dns = CloudDns(client=world.client, project=PROJECT, zone=ZONE, groups={world.first: fewer})
    assert ADDRESSES[GCP] in (await dns.steer({world.first: {AWS: 1.0}}, LONG)).refused[world.first]
