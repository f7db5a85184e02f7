"""What Route 53's adapter promises beyond the contract of all authorities, and what the emulated API must get right for that."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from controller.core.model import Group
from controller.errors import Transient
from controller.providers.aws.dns import Route53
from controller.providers.aws.errors import translated
from controller.providers.calls import Calls
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.control import RECORDS
from lab.clouds.faults import FaultKind, Rule
from tests.contract.dns_worlds import ADDRESSES, ALL, AWS, AZURE, DRAINED, GCP, LONG, ROUTE53, SHORT, SPENT, Route53World
from tests.contract.implementation import Started, started
from tests.contract.weather import BECOMES

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The emulated API, shared by the module."""
    with started(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
async def route53(shared: Started, request: pytest.FixtureRequest) -> AsyncIterator[Route53World]:
    """Route 53's adapter on records nobody else uses."""
    async with shared.world(ROUTE53, request.node.originalname) as world:
        assert isinstance(world, Route53World)
        yield world


def weights(records: dict[str, dict[str, Any]]) -> dict[str, int]:
    """By site."""
    return {identifier.rpartition("/")[2]: record["Weight"] for identifier, record in records.items()}


# ------------------------------------------------------------------------------------------------ as few calls as it can be


async def test_all_groups_and_all_names_are_steered_in_one_batch(route53: Route53World) -> None:
    """Two groups of two names, three sites: one page read, one change, and every name keeps the time to live it has."""
    sent, asked = Counter(await route53.control.requests()), route53.dns.calls
    await route53.dns.steer({route53.first: DRAINED, route53.second: {GCP: 1.0}}, LONG)
    took = Counter(await route53.control.requests()) - sent
    assert (took["ListResourceRecordSets"], took["ChangeResourceRecordSets"]) == (1, 1)
    assert took.total() == route53.dns.calls - asked <= 5
    for group, wanted in (
        (route53.first, {"aws": 120, "azure": 0, "gcp": 120}),
        (route53.second, {"aws": 0, "azure": 0, "gcp": 240}),
    ):
        for name in route53.groups[group].names:
            records = await route53.records(name)
            assert weights(records) == wanted
            assert {r["TTL"] for r in records.values()} == {name.ttl}


async def test_a_hundred_groups_leave_a_cloud_in_ten_calls(route53: Route53World) -> None:
    """Two hundred names are two pages and two batches; the account's five requests a second are not exceeded for long."""
    groups = {
        Group(f"{route53.test}-{number}"): GroupRecords(
            names=tuple(WeightedName(name=f"n{number}-{ttl}.{route53.test}.trimaran.test", ttl=ttl) for ttl in (2, 30)),
            addresses=ADDRESSES,
        )
        for number in range(100)
    }
    dns = Route53(client=lambda: route53.api, zone_id=route53.zone_id, groups=groups)
    made = await dns.steer(dict.fromkeys(groups, ALL), timedelta(seconds=20))
    assert len(made.shifts) == 100 and made.in_sync
    await route53.control.inject([Rule(kind=FaultKind.THROTTLE_ABOVE, rate=5)])
    asked = dns.calls
    report = await dns.steer(dict.fromkeys(groups, DRAINED), timedelta(seconds=20))
    assert len(report.shifts) == 100 and report.in_sync and not report.refused
    assert dns.calls - asked <= 10
    await route53.control.inject([])
    held = await dns.read()
    assert all(held[group] == {AWS: 0.5, AZURE: 0.0, GCP: 0.5} for group in groups)


async def test_records_between_ours_cost_no_pages(route53: Route53World) -> None:
    """More names of services than two pages hold lie between two of our own: they are skipped, not read."""
    crowd = [
        {"Name": f"{route53.first}-t{number}.trimaran.test.", "Type": "TXT", "TTL": 5, "ResourceRecords": [{"Value": '"x"'}]}
        for number in range(700)
    ]
    for part in (crowd[:350], crowd[350:]):
        await route53.change("CREATE", *part)
    asked = Counter(await route53.control.requests())
    assert set(await route53.dns.read()) == {route53.first, route53.second}
    took = Counter(await route53.control.requests()) - asked
    assert took["ListResourceRecordSets"] == 2


async def test_a_new_controller_proves_what_it_finds_once(route53: Route53World) -> None:
    """An adapter that did not see the change itself sends the same batch once, because only a change can be asked about."""
    await route53.dns.steer({route53.first: ALL}, LONG)
    successor, sent = route53.another(), await route53.changes()
    report = await successor.steer({route53.first: ALL}, LONG)
    assert (report.changed, report.in_sync) == (False, True)
    await successor.steer({route53.first: ALL}, LONG)
    assert await route53.changes() == sent + 1


# ------------------------------------------------------------------------------------------------ whose records


async def test_steering_keeps_what_the_deployment_gave_a_record(route53: Route53World) -> None:
    """An UPSERT replaces the whole record; the health check, address and TTL of one that exists survive."""
    health = await route53.health_check()
    name = route53.groups[route53.first].names[0]
    await route53.put(name, f"{route53.first}/aws", 3, "203.0.113.7", HealthCheckId=health)
    await route53.dns.steer({route53.first: {AWS: 1.0}}, LONG)
    record = (await route53.records(name))[f"{route53.first}/aws"]
    assert (record["HealthCheckId"], record["TTL"], record["Weight"]) == (health, 7, 240)
    assert record["ResourceRecords"] == [{"Value": "203.0.113.7"}]


async def test_a_missing_record_of_a_site_that_is_to_serve_is_made(route53: Route53World) -> None:
    """Somebody deleted it: it comes back with the address and the TTL that the group was given."""
    name = route53.groups[route53.first].names[0]
    await route53.change("DELETE", (await route53.records(name))[f"{route53.first}/gcp"])
    assert (await route53.dns.steer({route53.first: {GCP: 1.0}}, LONG)).in_sync
    record = (await route53.records(name))[f"{route53.first}/gcp"]
    assert (record["Weight"], record["TTL"], record["ResourceRecords"]) == (240, name.ttl, [{"Value": ADDRESSES[GCP]}])


async def test_weighted_records_of_others_are_reported_and_never_touched(route53: Route53World) -> None:
    """One more weighted record of the same name draws traffic; that is told, and keeps nobody from draining a dead site."""
    name = route53.groups[route53.first].names[0]
    await route53.put(name, "made-by-hand", 9, "198.51.100.9")
    report = await route53.dns.steer({route53.first: DRAINED}, LONG)
    assert report.changed and not report.refused
    assert (await route53.records(name))["made-by-hand"]["Weight"] == 9
    assert any("made-by-hand" in record for record in await route53.dns.foreign())
    assert set((await route53.dns.read())[route53.first]) == set(ALL)


async def test_somebody_elses_record_is_seen_before_anything_is_sent(route53: Route53World) -> None:
    """A simple record in the place of ours: the group is left out of the batch, and Route 53 has nothing to refuse."""
    await route53.take(route53.second)
    sent = await route53.changes()
    report = await route53.dns.steer({route53.second: DRAINED, route53.first: DRAINED}, LONG)
    assert "record-owner" in report.refused[route53.second]
    assert await route53.changes() == sent + 1


async def test_names_of_services_are_aliases_that_steering_never_touches(route53: Route53World) -> None:
    """A service's name is an alias of its group's: it is answered under its own name, by the group's weights, and stays as it is."""
    target = route53.groups[route53.first].names[0].absolute
    alias = {
        "Name": f"cards.{target}",
        "Type": "A",
        "AliasTarget": {"HostedZoneId": route53.zone_id, "DNSName": target, "EvaluateTargetHealth": False},
    }
    await route53.change("CREATE", alias)
    await route53.dns.steer({route53.first: DRAINED}, LONG)
    await asyncio.sleep(route53.propagation.total_seconds())
    news = await route53.control.zone(route53.zone_id)
    assert news is not None
    published = [record for record in news.records if record.name == f"cards.{target}"]
    assert [(record.alias, record.values) for record in published] == [(target, ())]
    assert RECORDS.validate_python([published[0].model_dump()]) == (published[0],)
    nowhere = {**alias, "Name": f"lost.{target}", "AliasTarget": {**alias["AliasTarget"], "DNSName": f"nothing.{target}"}}  # type: ignore[dict-item]
    with pytest.raises(ClientError, match="not found"):
        await route53.change("CREATE", nowhere)


async def test_a_name_left_behind_shows_in_a_read(route53: Route53World) -> None:
    """One name changed by hand is enough to differ from what was wanted: a read of the first name alone would hide it."""
    await route53.dns.steer({route53.first: DRAINED}, LONG)
    await route53.put(route53.groups[route53.first].names[1], f"{route53.first}/azure", 120, ADDRESSES[AZURE])
    assert (await route53.dns.read())[route53.first][AZURE] > 0


class WithoutCheck:
    """The vendor's client; a health check is gone from every batch's records by the time the batch arrives."""

    def __init__(self, api: "Route53Client", lost: str) -> None:
        self._api, self._lost = api, lost

    def __getattr__(self, name: str) -> object:
        return getattr(self._api, name)

    def list_resource_record_sets(self, **asked: object) -> object:
        page = self._api.list_resource_record_sets(**asked)  # type: ignore[arg-type]
        for record in page["ResourceRecordSets"]:
            if "HealthCheckId" in record:
                record["HealthCheckId"] = self._lost
        return page


async def test_a_record_that_route53_will_not_take_holds_back_its_own_group_only(route53: Route53World) -> None:
    """A health check was deleted: Route 53 refuses the whole batch, and a hundred groups would not be drained for it."""
    await route53.put(
        route53.groups[route53.second].names[0],
        f"{route53.second}/aws",
        3,
        ADDRESSES[AWS],
        HealthCheckId=await route53.health_check(),
    )
    route53.api = WithoutCheck(route53.api, "11111111-2222-3333-4444-555555555555")  # type: ignore[assignment]
    report = await route53.another().steer({route53.second: DRAINED, route53.first: DRAINED}, LONG)
    assert set(report.shifts) == {route53.first}
    assert "NoSuchHealthCheck" in report.refused[route53.second]
    held = await route53.dns.read()
    assert held[route53.first] == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}
    assert held[route53.second][AZURE] > 0


class Secretive:
    """The vendor's client; of one group's records Route 53 will take none, and does not say of whose."""

    def __init__(self, api: "Route53Client", group: Group) -> None:
        self._api, self._group, self.batches = api, group, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._api, name)

    def change_resource_record_sets(self, **batch: Any) -> object:
        self.batches += 1
        if any(c["ResourceRecordSet"]["SetIdentifier"].startswith(f"{self._group}/") for c in batch["ChangeBatch"]["Changes"]):
            told = {"Code": "InvalidChangeBatch", "Message": "[Invalid Resource Record: 'FATAL problem: InvalidCharacterString']"}
            raise ClientError({"Error": told}, "ChangeResourceRecordSets")  # type: ignore[typeddict-item]
        return self._api.change_resource_record_sets(**batch)


async def test_a_refusal_that_names_nobody_holds_back_one_group_only(route53: Route53World) -> None:
    """Some of Route 53's refusals name a value and no record: halves are sent until the one that is meant is alone."""
    third = Group(f"{route53.test}-3")
    route53.groups[third] = GroupRecords(names=route53.names(third), addresses=ADDRESSES)
    await route53.found()
    secretive = Secretive(route53.api, route53.second)
    route53.api = secretive  # type: ignore[assignment]
    report = await route53.another().steer(dict.fromkeys(route53.groups, DRAINED), LONG)
    assert set(report.shifts) == {route53.first, third} and report.in_sync
    assert "InvalidChangeBatch" in report.refused[route53.second]
    assert secretive.batches == 5


# ------------------------------------------------------------------------------------------------ who asks when


async def test_two_controllers_at_once_leave_one_of_the_two_and_no_mixture(route53: Route53World) -> None:
    """A batch is all or nothing: whoever was last, all names are as one of the two wanted them."""
    other = route53.another()
    for _ in range(5):
        await asyncio.gather(route53.dns.steer({route53.first: {AWS: 1.0}}, LONG), other.steer({route53.first: {GCP: 1.0}}, LONG))
        held = (await route53.dns.read())[route53.first]
        assert held in ({AWS: 1.0, AZURE: 0.0, GCP: 0.0}, {AWS: 0.0, AZURE: 0.0, GCP: 1.0})


async def test_weights_that_are_gone_are_not_in_sync(route53: Route53World) -> None:
    """Whoever still waits for his change when other weights are asked for does not take their change for his."""
    sent = await route53.changes()
    first = asyncio.create_task(route53.dns.steer({route53.first: {AWS: 1.0}}, LONG))
    await route53.change_under_way(sent)
    second = await route53.dns.steer({route53.first: DRAINED}, LONG)
    assert second.in_sync
    assert not (await first).in_sync
    assert (await route53.dns.steer({route53.first: {AWS: 1.0}}, LONG)).changed


class SlowOnce:
    """The vendor's client; its first batch is under way for half a second, and reaches Route 53 only then."""

    def __init__(self, api: "Route53Client") -> None:
        self._api, self.under_way, self.go_on = api, threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._api, name)

    def change_resource_record_sets(self, **batch: object) -> object:
        if not self.under_way.is_set():
            self.under_way.set()
            assert self.go_on.wait(20)
        return self._api.change_resource_record_sets(**batch)  # type: ignore[arg-type]


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_batch_that_is_under_way_is_waited_for(route53: Route53World, given_up: bool) -> None:
    """Overtaken by the batch that was asked for later, it would arrive last and stand: whether its caller waits for it or not."""
    await route53.dns.steer({route53.first: DRAINED}, LONG)
    slow = SlowOnce(route53.api)
    route53.api = slow  # type: ignore[assignment]
    dns = route53.another()
    older = asyncio.create_task(dns.steer({route53.first: ALL}, LONG))
    await asyncio.to_thread(slow.under_way.wait)
    if given_up:
        older.cancel()
    newer = asyncio.create_task(dns.steer({route53.first: DRAINED}, LONG))
    overtaken, _ = await asyncio.wait([newer], timeout=0.5)
    slow.go_on.set()
    assert not overtaken
    await asyncio.gather(older, return_exceptions=True)
    assert (await newer).in_sync
    assert (await dns.read())[route53.first] == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}


# ------------------------------------------------------------------------------------------------ whatever the API answers


@pytest.mark.parametrize(("kind", "error"), BECOMES)
async def test_vendor_errors_become_ours(route53: Route53World, kind: FaultKind, error: type[Exception]) -> None:
    """Whatever the API answers, the caller sees who must act; nothing of botocore gets through."""
    await route53.control.inject([Rule(kind=kind)])
    with pytest.raises(error):
        await route53.dns.steer({route53.first: DRAINED}, SHORT)


@pytest.mark.parametrize("operation", ["ListResourceRecordSets", "ChangeResourceRecordSets"])
async def test_one_lie_is_asked_past(route53: Route53World, operation: str) -> None:
    """A page of a proxy in between costs one more try, whatever it was put in the place of."""
    await route53.control.inject([Rule(kind=FaultKind.LIE, operation=operation, count=1)])
    assert (await route53.dns.steer({route53.first: DRAINED}, LONG)).in_sync


async def test_a_change_that_nobody_can_tell_of_is_not_in_sync(route53: Route53World) -> None:
    """The change was accepted, and every question after it is answered with a proxy's page."""
    await route53.control.inject([Rule(kind=FaultKind.LIE, operation="GetChange")])
    report = await route53.dns.steer({route53.first: {AWS: 1.0}}, SPENT)
    assert (report.changed, report.in_sync) == (True, False)


async def test_whatever_a_call_stumbles_over_is_translated() -> None:
    """The SDK's own surprises and those of reading an answer: nothing but our errors reaches a controller."""
    empty: dict[str, str] = {}
    with pytest.raises(Transient, match="KeyError: 'ChangeInfo'"):
        await Calls(translated).run("x", lambda: empty["ChangeInfo"], SHORT)


async def test_a_busy_zone_is_asked_again(route53: Route53World) -> None:
    """PriorRequestNotComplete is the vendor's word for a pause, not a refusal."""
    await route53.control.inject([Rule(kind=FaultKind.BUSY, operation="ChangeResourceRecordSets", count=2)])
    assert (await route53.dns.steer({route53.first: DRAINED}, LONG)).in_sync
