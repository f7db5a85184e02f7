"""What the lab's clouds do for a service and say about it: a failover raises floors of instances beside steering, and an API that hangs
costs nothing but the instances; what providers say about servers is told by every controller, and blocks nothing."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import aiohttp
import pytest
import pytest_asyncio

from controller.errors import Transient
from controller.settings import read_settings
from controller.wiring_clouds import providers
from lab import estate
from lab.authorities import carry_out
from lab.cabling import SITES
from lab.clouds.faults import FaultKind, Rule
from lab.faults import Fault
from lab.fleet import LEAN
from lab.laboratory import Laboratory, laboratory
from lab.rehearsal import Course, rehearse
from lab.report import Rehearsal, document
from lab.report_page import page
from lab.site_settings import SERVICE
from lab.timeline import FloorMoment
from lab.zones import Order

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PASSWORDS = {f"TRIMARAN_{SERVICE.upper()}_{role}_PASSWORD": "not asked for" for role in ("CONTROL", "STREAM")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[Laboratory]:
    """One for all: each test leaves it whole."""
    async with laboratory("test-providers", services=LEAN) as lab:
        yield lab


async def status(lab: Laboratory, site: str, until: Callable[[Any], bool]) -> Any:
    """What this site's controller says, once it says so."""
    said: Any = None
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        while said is None or not until(said):
            await asyncio.sleep(0.1)  # a controller is asked; it tells nobody by itself
            with suppress(aiohttp.ClientError):
                async with http.get(f"{lab.controllers()[site]}/v1/services/{SERVICE}/status") as answer:
                    said = await answer.json() if answer.status == 200 else None
    return said


async def restarted(lab: Laboratory, site: str) -> None:
    """A controller that knows nothing from before."""
    await lab.faults.inject(Fault.CONTROLLER, site)
    await lab.faults.heal(site)


SUBJECTS = {"server", "replica", "instances"}


def all_known(said: Any) -> bool:
    """Has every provider answered every question?"""
    asked = [one for site in said["sites"].values() for one in site["provider"].values()]
    return len(asked) == 9 and all(one["known"] for one in asked)


async def test_every_controller_tells_what_all_providers_say(lab: Laboratory) -> None:
    """RDS, Flexible Server and Cloud SQL through their own SDKs: a standby each, the replicas' sources, floors, and nothing to warn of."""
    for site in SITES:
        said = await status(lab, site, all_known)
        assert said["warnings"] == []
        for one in (known["provider"] for known in said["sites"].values()):
            assert set(one) == SUBJECTS and one["server"]["highly_available"] is True
            assert one["replica"]["replica_of"].endswith(estate.SERVER)
            assert one["instances"]["raised_to"] == estate.FLOOR


ALL_POSSIBLE = {"switchover": {"aws": [], "gcp": []}, "failover": [], "automatic_failover": []}


def known(said: Any, site: str) -> bool:
    """Has the provider of this site said how its server is?"""
    return bool(said["sites"][site]["provider"]["server"]["known"])


def silent(said: Any, site: str) -> bool:
    """Was the provider of this site asked about its server, without an answer?"""
    return not known(said, site) and "no answer" in said["sites"][site]["provider"]["server"]["because"]


async def test_a_poor_server_and_a_hanging_api_are_warnings_and_block_no_move(lab: Laboratory) -> None:
    """gcp's disk is nearly full, it has no standby, and maintenance is due; azure's API answers nothing. Every move stays possible."""
    poor = {
        "settings": {"availabilityType": "ZONAL", "dataDiskSizeGb": "100"},
        "currentDiskSize": str(95 << 30),
        "scheduledMaintenance": {"startTime": "2026-12-24T03:00:00Z"},
    }
    order = Order(method="PUT", path=f"/_lab/instances/{estate.SERVER}", body={"instance": poor})
    await carry_out(lab.authorities["clouddns"], [order])
    hanging = Rule(kind=FaultKind.HANG, operation="Servers_Get")
    await lab.authorities["azuredns"].fail_api(hanging)
    await restarted(lab, "gcp")
    said = await status(lab, "gcp", lambda one: silent(one, "azure") and known(one, "gcp") and one["moves"] == ALL_POSSIBLE)
    assert said["sites"]["azure"]["provider"]["server"]["known"] is False
    told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in said["warnings"]:
        told[one["site"], one["subject"]].append(one["value"])
    assert told["gcp", "server"] == [
        "5% of its storage is free",
        "no standby that is ready",
        "maintenance from 2026-12-24T03:00:00+00:00",
    ]
    assert "unknown, never answered" in told["azure", "server"][0]
    await lab.authorities["azuredns"].fail_api()
    assert await lab.witness.unfinished() == ""


T = TypeVar("T")


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """An adapter's answer, asked for until there is one: making a vendor's client may take longer than its deadline on a busy machine."""
    async with asyncio.timeout(40):
        while True:
            with suppress(Transient):
                return await ask()


async def floors(lab: Laboratory) -> Mapping[str, int | None]:
    """As the vendors' own SDKs read them, with the settings of aws's controller: no fault here cuts it off."""
    settings = read_settings(lab.sites["aws"].settings / "controller.toml", PASSWORDS)
    asked = providers(settings.services[SERVICE], settings).capacities
    return {site: await answered(partial(capacity.floor, SERVICE)) for site, capacity in asked.items()}


@pytest.mark.long
async def test_a_hanging_api_of_instances_delays_no_payment(lab: Laboratory) -> None:
    """azure dies while ECS answers nothing: gcp's floor is raised, aws's is told as not raised, and payments were acknowledged before
    the wait for ECS was over. The dead site is not asked."""
    assert await floors(lab) == dict.fromkeys(("aws", "azure", "gcp"), estate.INSTANCES)
    hanging = [Rule(kind=FaultKind.HANG, operation=operation) for operation in ("DescribeServices", "UpdateService")]
    await lab.authorities["route53"].fail_api(*hanging)
    course = Course(rate=20, calm=timedelta(seconds=2), hold=timedelta(seconds=2), ignoring_ttl=0)
    seen = await rehearse(lab, course)
    await lab.authorities["route53"].fail_api()
    found = await floors(lab)
    assert (found["aws"], found["gcp"]) == (estate.INSTANCES, estate.FLOOR)
    late, raised = seen.floors
    assert (raised.site, raised.before, raised.after, raised.because) == ("gcp", estate.INSTANCES, estate.FLOOR, "")
    assert (late.site, late.after) == ("aws", None) and "no answer" in late.because
    _stood_in_nobodys_way(seen, late)
    _is_told(seen)
    await _is_raised_when_traffic_moves_again(lab, str(seen.writer_after))


def _stood_in_nobodys_way(seen: Rehearsal, late: FloorMoment) -> None:
    """By this run's own phases, whatever else the machine did meanwhile."""
    spans = {span.name: span for span in seen.spans}
    given_up = late.t + late.took_ms / 1000
    assert late.took_ms >= 900, "ECS was waited for as long as a floor may take"
    assert late.t <= spans["cut"].end, "it was asked as soon as the failover was claimed"
    assert spans["open"].end < given_up, "the next writer opened meanwhile"
    assert spans["steer"].end < given_up, "and Route 53, at the same address, was told meanwhile"
    assert seen.recovery.first_acknowledged is not None
    assert seen.recovery.first_acknowledged < given_up, "and payments were acknowledged meanwhile"


def _is_told(seen: Rehearsal) -> None:
    told = document(seen)
    assert [(one["site"], one["before"], one["after"]) for one in told["floors"]] == [
        ("aws", None, None),
        ("gcp", estate.INSTANCES, estate.FLOOR),
    ]
    shown = page(seen)
    assert "<h2>Instances</h2>" in shown and "not raised: " in shown


async def _is_raised_when_traffic_moves_again(lab: Laboratory, writer: str) -> None:
    """ECS answers again, and a follower is lost: aws is asked anew with everybody else who serves."""
    (lost,) = {"azure", "gcp"} - {writer} if writer != "aws" else {"gcp"}
    await lab.faults.inject(Fault.PARTITION, lost)
    async with asyncio.timeout(20):
        while (await floors(lab))["aws"] != estate.FLOOR:
            await asyncio.sleep(0.2)  # the vendors' APIs tell nobody of a change
    await lab.faults.heal(lost)
