"""What every DNS authority promises: the shipped fake and Route 53's adapter against the emulated API pass the same suite."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import aiohttp
import pytest

from controller.core.model import Site
from controller.errors import Conflict, Denied, Refused, Transient
from controller.ports import Dns
from controller.providers.aws.dns import Route53
from controller.providers.aws.records import WeightedName, to_weights
from controller.providers.aws.session import Calls, route53_client
from controller.providers.memory.dns import MemoryDns
from lab.clouds.control import AwsControl
from lab.clouds.faults import FaultKind, Rule

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ALL = {AWS: 1.0, AZURE: 1.0, GCP: 1.0}
DRAINED = {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
PROPAGATION = timedelta(milliseconds=300)
ADDRESSES = {AWS: "192.0.2.1", AZURE: "192.0.2.2", GCP: "192.0.2.3"}


class ForeignDns(Dns, Protocol):
    """Both implementations also name the records they leave alone."""

    async def foreign(self) -> tuple[str, ...]: ...


class World(Protocol):
    """One authority, with the switches for its faults."""

    @property
    def dns(self) -> ForeignDns: ...

    def another(self) -> Dns:
        """A second controller's adapter on the same records."""

    def now(self) -> timedelta: ...

    async def changes(self) -> int:
        """Change batches that reached the authority."""

    async def throttle(self, requests: int) -> None: ...

    async def lose_answer(self) -> None: ...

    async def hang(self) -> None: ...

    async def heal(self) -> None: ...

    async def add_foreign(self, identifier: str, weight: int) -> None: ...

    async def foreign_weights(self) -> Mapping[str, float]: ...

    async def set_by_hand(self, site: Site, weight: int) -> None: ...


@dataclass
class JumpingClock:
    """Sleeping takes no time and moves the clock."""

    at: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + self.at

    def monotonic(self) -> timedelta:
        return self.at

    async def sleep(self, duration: timedelta) -> None:
        self.at += duration
        await asyncio.sleep(0)


@dataclass
class MemoryWorld:
    """The shipped fake."""

    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        self.dns = MemoryDns(clock=self.clock, propagation=PROPAGATION)

    def another(self) -> Dns:
        return self.dns

    def now(self) -> timedelta:
        return self.clock.at

    async def changes(self) -> int:
        return self.dns.changes_sent

    async def throttle(self, requests: int) -> None:
        self.dns.throttled = requests

    async def lose_answer(self) -> None:
        self.dns.lost_answers = 1

    async def hang(self) -> None:
        self.dns.hanging = True

    async def heal(self) -> None:
        self.dns.hanging, self.dns.throttled = False, 0

    async def add_foreign(self, identifier: str, weight: int) -> None:
        self.dns.foreign_records[identifier] = weight

    async def foreign_weights(self) -> Mapping[str, float]:
        return self.dns.foreign_records

    async def set_by_hand(self, site: Site, weight: int) -> None:
        self.dns.set_by_hand({site: float(weight)})


@dataclass
class Route53World:
    """boto3 against the emulated API, in its own process; records of its own, in a zone that all tests share."""

    api: "Route53Client"
    control: AwsControl
    zone_id: str
    service: str

    def __post_init__(self) -> None:
        self.names = (
            WeightedName(name=f"{self.service}.trimaran.test", ttl=2),
            WeightedName(name=f"{self.service}-slow.trimaran.test", ttl=30),
        )
        self.dns = self.another()

    def another(self) -> Route53:
        return Route53(
            client=lambda: self.api,
            zone_id=self.zone_id,
            service=self.service,
            names=self.names,
            addresses=ADDRESSES,
        )

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.control.requests()).get("ChangeResourceRecordSets", 0)

    async def throttle(self, requests: int) -> None:
        half = (requests + 1) // 2
        rules = [Rule(kind=FaultKind.THROTTLE, count=half)]
        if requests > half:
            rules.append(Rule(kind=FaultKind.UNAVAILABLE, count=requests - half))
        await self.control.inject(rules)

    async def lose_answer(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.LOSE_ANSWER, operation="ChangeResourceRecordSets", count=1)])

    async def hang(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.HANG)])

    async def heal(self) -> None:
        await self.control.inject([])

    async def add_foreign(self, identifier: str, weight: int) -> None:
        await asyncio.to_thread(self.put, self.names[0], identifier, weight, "198.51.100.9")

    async def set_by_hand(self, site: Site, weight: int) -> None:
        for name in self.names:
            await asyncio.to_thread(self.put, name, f"{self.service}/{site}", weight, ADDRESSES[site])

    async def foreign_weights(self) -> Mapping[str, float]:
        return {i: float(str(r["Weight"])) for i, r in (await self.records()).items() if not i.startswith(f"{self.service}/")}

    async def records(self, name: WeightedName | None = None) -> dict[str, dict[str, object]]:
        """A records of one name by SetIdentifier, as the vendor's own client reads them."""
        wanted = name or self.names[0]
        page = await asyncio.to_thread(lambda: self.api.list_resource_record_sets(HostedZoneId=self.zone_id))
        return {r["SetIdentifier"]: r for r in page["ResourceRecordSets"] if r["Name"] == wanted.absolute}  # type: ignore[misc]

    def put(self, name: WeightedName, identifier: str, weight: int, address: str, **more: object) -> None:
        """UPSERT one record past the adapter."""
        record = {
            "Name": name.absolute,
            "Type": "A",
            "SetIdentifier": identifier,
            "Weight": weight,
            "TTL": 7,
            "ResourceRecords": [{"Value": address}],
            **more,
        }
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self.api.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def emulated_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an emulated AWS that runs as a process of its own."""
    settings: Path = tmp_path_factory.mktemp("aws") / "settings.json"
    settings.write_text(json.dumps({"propagation": PROPAGATION.total_seconds()}))
    command = [sys.executable, "-m", "lab.clouds.aws", "--settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        server.terminate()


@pytest.fixture(scope="module")
def api(emulated_aws: str) -> "Iterator[Route53Client]":
    """The vendor's client, with credentials from the environment as in the field."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        yield route53_client(endpoint_url=emulated_aws)


@pytest.fixture
async def route53(emulated_aws: str, api: "Route53Client", request: pytest.FixtureRequest) -> AsyncIterator[Route53World]:
    """Route 53's adapter on records nobody else uses."""
    service = "".join(c if c.isalnum() else "-" for c in request.node.name)[:48].rstrip("-").lower()
    async with aiohttp.ClientSession() as http:
        control = AwsControl(http, emulated_aws)
        await control.inject([])
        yield Route53World(api, control, await control.zone_id("trimaran.test"), service)
        await control.inject([])


@pytest.fixture(params=["memory", "route53"])
def world(request: pytest.FixtureRequest) -> World:
    """Each implementation in turn."""
    if request.param == "memory":
        return MemoryWorld()
    found: Route53World = request.getfixturevalue("route53")
    return found


async def test_answers_by_the_ratios_it_was_given(world: World) -> None:
    """After steering, the authority holds the wanted shares, and says what it held before."""
    first = await world.dns.steer(ALL, LONG)
    assert first.before == {}
    assert first.changed
    assert first.after == pytest.approx(dict.fromkeys(ALL, 1 / 3))
    second = await world.dns.steer(DRAINED, LONG)
    assert second.before == first.after
    assert second.after == await world.dns.read() == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}


async def test_asking_twice_changes_once(world: World) -> None:
    """The same weights again send nothing, change nothing and are still known to be in sync."""
    await world.dns.steer(ALL, LONG)
    sent = await world.changes()
    again = await world.dns.steer(ALL, LONG)
    assert await world.changes() == sent
    assert not again.changed
    assert again.in_sync


async def test_a_site_that_is_not_named_is_drained(world: World) -> None:
    """The ratios are the whole answer: a record of ours that they leave out stops drawing traffic."""
    await world.dns.steer(ALL, LONG)
    await world.dns.steer({AWS: 1.0}, LONG)
    assert await world.dns.read() == {AWS: 1.0, AZURE: 0.0, GCP: 0.0}


async def test_a_lost_answer_is_settled_by_asking_again(world: World) -> None:
    """A change that was carried out without an answer is reported as changed and in sync by the same call."""
    await world.dns.steer(ALL, LONG)
    await world.lose_answer()
    report = await world.dns.steer(DRAINED, LONG)
    assert report.changed
    assert report.in_sync
    assert report.before == pytest.approx(dict.fromkeys(ALL, 1 / 3))
    assert await world.dns.read() == report.after == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}


async def test_a_short_storm_of_throttling_is_ridden_out(world: World) -> None:
    """Requests that are turned away are repeated within the deadline."""
    await world.dns.steer(ALL, LONG)
    await world.throttle(3)
    report = await world.dns.steer(DRAINED, LONG)
    assert report.changed
    assert report.in_sync


async def test_a_long_storm_ends_at_the_deadline(world: World) -> None:
    """Throttling that does not end is Transient when the deadline is over, and nothing was changed."""
    await world.dns.steer(ALL, LONG)
    await world.throttle(1000)
    started = world.now()
    with pytest.raises(Transient):
        await world.dns.steer(DRAINED, SHORT)
    assert world.now() - started <= SHORT + timedelta(seconds=0.2)
    await world.heal()
    assert await world.dns.read() == pytest.approx(dict.fromkeys(ALL, 1 / 3))


async def test_a_hanging_authority_costs_the_deadline_and_no_more(world: World) -> None:
    """An API that accepts and never answers is Transient at the deadline, and works again once it is healed."""
    await world.dns.steer(ALL, LONG)
    await world.hang()
    started = world.now()
    with pytest.raises(Transient):
        await world.dns.steer(DRAINED, SHORT)
    assert SHORT - timedelta(seconds=0.05) <= world.now() - started <= SHORT + timedelta(seconds=0.2)
    await world.heal()
    assert (await world.dns.steer(DRAINED, LONG)).in_sync


async def test_in_sync_is_waited_for_and_not_assumed(world: World) -> None:
    """In sync is said after the propagation time only; a shorter deadline is answered honestly, a later call settles it."""
    await world.dns.steer(ALL, LONG)
    started = world.now()
    early = await world.dns.steer(DRAINED, PROPAGATION / 2)
    assert early.changed
    assert not early.in_sync
    sent = await world.changes()
    late = await world.dns.steer(DRAINED, LONG)
    assert late.in_sync
    assert world.now() - started >= PROPAGATION or isinstance(world, MemoryWorld)
    assert not late.changed
    assert await world.changes() == sent


async def test_records_of_others_are_reported_and_never_touched(world: World) -> None:
    """A record of the same name without our mark keeps its weight, and is named."""
    await world.add_foreign("made-by-hand", 9)
    await world.dns.steer(ALL, LONG)
    await world.dns.steer(DRAINED, LONG)
    assert await world.foreign_weights() == {"made-by-hand": 9}
    assert any("made-by-hand" in record for record in await world.dns.foreign())
    assert set(await world.dns.read()) == set(ALL)


async def test_what_somebody_changed_by_hand_is_put_right(world: World) -> None:
    """Weights that were changed past the adapter show up in a read, and the next steering corrects them."""
    await world.dns.steer(DRAINED, LONG)
    await world.set_by_hand(AZURE, 1)
    assert (await world.dns.read())[AZURE] > 0
    report = await world.dns.steer(DRAINED, LONG)
    assert report.changed
    assert await world.dns.read() == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}


async def test_two_controllers_at_once_leave_one_of_the_two_and_no_mixture(world: World) -> None:
    """A batch is all or nothing: whoever was last, the records are as one of the two wanted them."""
    await world.dns.steer(ALL, LONG)
    other = world.another()
    for _ in range(5):
        await asyncio.gather(world.dns.steer({AWS: 1.0}, LONG), other.steer({GCP: 1.0}, LONG))
        assert await world.dns.read() in ({AWS: 1.0, AZURE: 0.0, GCP: 0.0}, {AWS: 0.0, AZURE: 0.0, GCP: 1.0})


@pytest.mark.parametrize(
    ("weights", "guard"),
    [
        ({AWS: 0.0, AZURE: 0.0}, "no-orphan-drain"),
        ({}, "no-orphan-drain"),
        ({AWS: -1.0, AZURE: 2.0}, "usable-weights"),
        ({AWS: float("nan")}, "usable-weights"),
        ({AWS: float("inf")}, "usable-weights"),
    ],
)
async def test_weights_that_cannot_be_meant_are_refused_before_anything_is_sent(
    world: World, weights: dict[Site, float], guard: str
) -> None:
    """All zero would be answered as all equal; it is refused with its way out, and the records stay."""
    await world.dns.steer(DRAINED, LONG)
    sent = await world.changes()
    with pytest.raises(Refused) as refusal:
        await world.dns.steer(weights, LONG)
    assert refusal.value.guard == guard
    assert refusal.value.way_out
    assert await world.changes() == sent


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


async def test_a_hanging_call_does_not_keep_the_process(emulated_aws: str, route53: Route53World) -> None:
    """A controller that is told to stop ends, although a call of its own still hangs."""
    await route53.hang()
    program = (
        "import asyncio, datetime, time\n"
        "from controller.providers.aws.session import Calls\n"
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
