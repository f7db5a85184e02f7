"""What Route 53's adapter promises beyond the contract of all authorities, and what the emulated API must get right for that."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Site
from controller.errors import Conflict, Denied, Refused, Transient
from controller.providers.aws.records import TOTAL, to_weights
from controller.providers.calls import Calls
from lab.clouds.faults import FaultKind, Rule
from tests.contract.dns_worlds import (
    ADDRESSES,
    ALL,
    AWS,
    AZURE,
    DRAINED,
    GCP,
    LONG,
    SHORT,
    Route53World,
    emulated_aws,
    route53_world,
)

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[tuple[str, Route53Client]]":
    """The emulated API, shared by the module."""
    with emulated_aws(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.fixture
async def route53(aws: "tuple[str, Route53Client]", request: pytest.FixtureRequest) -> AsyncIterator[Route53World]:
    """Route 53's adapter on records nobody else uses."""
    async with route53_world(*aws, request.node.name) as world:
        yield world


async def test_all_names_are_steered_in_one_batch(route53: Route53World) -> None:
    """Two names, three sites: one change; each name with the time to live it was given."""
    sent = await route53.changes()
    await route53.dns.steer(DRAINED, LONG)
    assert await route53.changes() == sent + 1
    for name in route53.names:
        records = await route53.records(name)
        assert {i.rpartition("/")[2]: r["Weight"] for i, r in records.items()} == {AWS: 120, GCP: 120}
        assert {r["TTL"] for r in records.values()} == {name.ttl}


async def test_steering_keeps_what_the_deployment_gave_a_record(route53: Route53World) -> None:
    """An UPSERT replaces the whole record; the health check, address and TTL of one that exists survive."""
    check = await asyncio.to_thread(
        lambda: route53.api.create_health_check(
            CallerReference=route53.service, HealthCheckConfig={"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 80}
        )
    )
    health = check["HealthCheck"]["Id"]
    await asyncio.to_thread(
        lambda: route53.put(route53.names[0], f"{route53.service}/aws", 3, "203.0.113.7", HealthCheckId=health)
    )
    await route53.dns.steer(ALL, LONG)
    record = (await route53.records())[f"{route53.service}/aws"]
    assert (record["HealthCheckId"], record["TTL"], record["Weight"]) == (health, 7, 80)
    assert record["ResourceRecords"] == [{"Value": "203.0.113.7"}]


async def test_a_name_left_behind_shows_in_a_read(route53: Route53World) -> None:
    """One name changed by hand is enough to differ from what was wanted: a read of the first name alone would hide it."""
    await route53.dns.steer(DRAINED, LONG)
    await asyncio.to_thread(route53.put, route53.names[1], f"{route53.service}/azure", 120, ADDRESSES[AZURE])
    assert (await route53.dns.read())[AZURE] > 0


async def test_a_new_controller_proves_what_it_finds_once(route53: Route53World) -> None:
    """An adapter that did not see the change itself sends the same batch once, because only a change can be asked about."""
    await route53.dns.steer(ALL, LONG)
    successor, sent = route53.another(), await route53.changes()
    report = await successor.steer(ALL, LONG)
    assert (report.changed, report.in_sync) == (False, True)
    await successor.steer(ALL, LONG)
    assert await route53.changes() == sent + 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.DENY, Denied),
        (FaultKind.GARBLE, Transient),
        (FaultKind.LIE, Transient),
        (FaultKind.REFUSE, Transient),
        (FaultKind.UNAVAILABLE, Transient),
        (FaultKind.THROTTLE, Transient),
        (FaultKind.BUSY, Conflict),
    ],
)
async def test_vendor_errors_become_ours(route53: Route53World, kind: FaultKind, error: type[Exception]) -> None:
    """Whatever the API answers, the caller sees who must act; nothing of botocore gets through."""
    await route53.control.inject([Rule(kind=kind)])
    with pytest.raises(error):
        await route53.dns.steer(ALL, SHORT)


@pytest.mark.parametrize("operation", ["ListResourceRecordSets", "ChangeResourceRecordSets"])
async def test_one_lie_is_asked_past(route53: Route53World, operation: str) -> None:
    """A page of a proxy in between costs one more try, whatever it was put in the place of."""
    await route53.control.inject([Rule(kind=FaultKind.LIE, operation=operation, count=1)])
    assert (await route53.dns.steer(DRAINED, LONG)).in_sync


async def test_a_change_that_nobody_can_tell_of_is_not_in_sync(route53: Route53World) -> None:
    """The change was accepted, and every question after it is answered with a proxy's page."""
    await route53.control.inject([Rule(kind=FaultKind.LIE, operation="GetChange")])
    report = await route53.dns.steer(DRAINED, SHORT)
    assert (report.changed, report.in_sync) == (True, False)


async def test_weights_that_are_gone_are_not_in_sync(route53: Route53World) -> None:
    """Whoever still waits for his change when other weights are asked for does not take their change for his."""
    sent = await route53.changes()
    first = asyncio.create_task(route53.dns.steer(ALL, LONG))
    while await route53.changes() == sent:
        await asyncio.sleep(0.01)
    second = await route53.dns.steer(DRAINED, LONG)
    assert second.in_sync
    assert not (await first).in_sync
    assert (await route53.dns.steer(ALL, LONG)).changed


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


async def test_a_batch_that_is_under_way_is_waited_for(route53: Route53World) -> None:
    """Overtaken by the batch that was asked for later, it would arrive last and stand."""
    await route53.dns.steer(DRAINED, LONG)
    slow = SlowOnce(route53.api)
    route53.api = slow  # type: ignore[assignment]
    dns = route53.another()
    older = asyncio.create_task(dns.steer(ALL, LONG))
    await asyncio.to_thread(slow.under_way.wait)
    newer = asyncio.create_task(dns.steer(DRAINED, LONG))
    overtaken, _ = await asyncio.wait([newer], timeout=0.5)
    slow.go_on.set()
    assert not overtaken
    await older
    assert (await newer).in_sync
    assert await dns.read() == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}


async def test_whatever_a_call_stumbles_over_is_translated() -> None:
    """The SDK's own surprises and those of reading an answer: nothing but our errors reaches a controller."""
    empty: dict[str, str] = {}
    with pytest.raises(Transient, match="KeyError: 'ChangeInfo'"):
        await Calls().run("x", lambda: empty["ChangeInfo"], SHORT)


async def test_a_busy_zone_is_asked_again(route53: Route53World) -> None:
    """PriorRequestNotComplete is the vendor's word for a pause, not a refusal."""
    await route53.control.inject([Rule(kind=FaultKind.BUSY, operation="ChangeResourceRecordSets", count=2)])
    assert (await route53.dns.steer(ALL, LONG)).in_sync


async def test_a_conflicting_record_is_a_conflict(route53: Route53World) -> None:
    """A simple record of the same name makes Route 53 refuse the batch: somebody else's decision, not ours to undo."""
    record = {"Name": route53.names[1].absolute, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "198.51.100.1"}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    await asyncio.to_thread(
        lambda: route53.api.change_resource_record_sets(HostedZoneId=route53.zone_id, ChangeBatch=batch)  # type: ignore[arg-type]
    )
    with pytest.raises(Conflict):
        await route53.dns.steer(ALL, LONG)
    assert await route53.dns.read() == {}, "a refused batch left part of itself behind"


async def test_a_site_without_record_or_address_is_refused(route53: Route53World) -> None:
    """Traffic cannot be sent to a place nobody knows."""
    with pytest.raises(Refused, match="known-site"):
        await route53.dns.steer({Site("elsewhere"): 1.0}, LONG)


async def test_hanging_calls_do_not_pile_up(route53: Route53World) -> None:
    """Abandoned calls are counted: the one too many is refused at once instead of starting another thread."""
    await route53.hang()
    brief = timedelta(milliseconds=20)
    for _ in range(Calls.LIMIT):
        with pytest.raises(Transient):
            await route53.dns.steer(ALL, brief)
    with pytest.raises(Transient, match="still hang"):
        await route53.dns.steer(ALL, brief)


async def test_a_hanging_call_does_not_keep_the_process(route53: Route53World) -> None:
    """A controller that is told to stop ends, although a call of its own still hangs."""
    await route53.hang()
    program = (
        "import asyncio, datetime, time\n"
        "from controller.providers.calls import Calls\n"
        "async def go():\n"
        "    try: await Calls().run('x', lambda: time.sleep(60), datetime.timedelta(seconds=0.1))\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "asyncio.run(go())\n"
    )
    started = time.monotonic()
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "Transient\n"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("ratios", "weights"),
    [
        ({AWS: 1, AZURE: 1, GCP: 1}, {AWS: 80, AZURE: 80, GCP: 80}),
        ({AWS: 1, AZURE: 0, GCP: 0}, {AWS: 240, AZURE: 0, GCP: 0}),
        ({AWS: 1, AZURE: 3}, {AWS: 60, AZURE: 180}),
        ({AWS: 0.0001, AZURE: 1, GCP: 1}, {AWS: 1, AZURE: 119, GCP: 120}),
        ({AWS: 1e308, AZURE: 1e308}, {AWS: 120, AZURE: 120}),
        ({AWS: 5e-324, AZURE: 0}, {AWS: 240, AZURE: 0}),
    ],
)
async def test_ratios_become_weights_of_one_total(ratios: dict[Site, float], weights: dict[Site, int]) -> None:
    """The weights add up to 240, follow the ratios as closely as whole numbers can, and never drain a site that is to serve."""
    assert to_weights(ratios) == weights


@given(st.dictionaries(st.sampled_from([AWS, AZURE, GCP, Site("d"), Site("e")]), st.floats(0, 1e6), min_size=1))
def test_weights_follow_any_ratios(ratios: dict[Site, float]) -> None:
    """One total, 0 for 0 and only for 0, a larger ratio never weighs less, and nobody is off by more than one per site."""
    if not any(ratios.values()):
        with pytest.raises(Refused):
            to_weights(ratios)
        return
    weights, whole = to_weights(ratios), sum(ratios.values())
    assert sum(weights.values()) == TOTAL
    assert all((weights[site] == 0) == (ratio == 0) for site, ratio in ratios.items())
    ordered = sorted(ratios, key=lambda site: ratios[site])
    assert all(weights[a] <= weights[b] for a, b in pairwise(ordered) if ratios[a] < ratios[b])
    assert all(abs(weights[site] - ratio / whole * TOTAL) <= len(ratios) for site, ratio in ratios.items())


@pytest.mark.parametrize(
    "wrong",
    [{"Weight": 256}, {"Weight": -1}, {"ResourceRecords": [{"Value": "nonsense"}]}, {"TTL": -1}, {"SetIdentifier": "x" * 129}],
)
async def test_the_emulated_api_refuses_what_route53_refuses(route53: Route53World, wrong: dict[str, object]) -> None:
    """A batch with one bad record changes nothing, the good record before it included."""
    good = {"Name": route53.names[0].absolute, "Type": "A", "SetIdentifier": "good", "Weight": 1, "TTL": 1}
    records = [{**good, "ResourceRecords": [{"Value": "192.0.2.9"}]}]
    records.append({**records[0], "SetIdentifier": "bad", **wrong})
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]}
    with pytest.raises((ClientError, ParamValidationError)):
        await asyncio.to_thread(
            lambda: route53.api.change_resource_record_sets(HostedZoneId=route53.zone_id, ChangeBatch=batch)  # type: ignore[arg-type]
        )
    assert await route53.records() == {}


async def test_the_emulated_api_knows_its_own_changes_only(route53: Route53World) -> None:
    """A change that never was is an error, not INSYNC."""
    with pytest.raises(ClientError, match="NoSuchChange"):
        await asyncio.to_thread(lambda: route53.api.get_change(Id="C2682N5HXP0BZ4"))


async def test_the_emulated_api_deletes_one_record_and_not_its_namesakes(route53: Route53World) -> None:
    """The same SetIdentifier under another name is another record."""
    await route53.dns.steer(ALL, LONG)
    record = (await route53.records())[f"{route53.service}/aws"]
    batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
    await asyncio.to_thread(
        lambda: route53.api.change_resource_record_sets(HostedZoneId=route53.zone_id, ChangeBatch=batch)  # type: ignore[arg-type]
    )
    assert len(await route53.records(route53.names[0])) == 2
    assert len(await route53.records(route53.names[1])) == 3
