"""A failover raises floors of instances at the sites that take the traffic, beside steering; an API of instances that hangs costs
nothing but the instances."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest

from controller.settings import read_settings
from controller.wiring_clouds import providers
from lab import estate
from lab.clouds.faults import FaultKind, Rule
from lab.faults import Fault
from lab.laboratory import Laboratory, laboratory
from lab.rehearsal import Course, rehearse
from lab.report import Rehearsal, document
from lab.report_page import page
from lab.site_settings import SERVICE
from lab.timeline import FloorMoment

pytestmark = pytest.mark.timeout(150)

PASSWORDS = {f"TRIMARAN_{SERVICE.upper()}_{role}_PASSWORD": "not asked for" for role in ("CONTROL", "STREAM")}


@pytest.fixture
async def lab() -> AsyncIterator[Laboratory]:
    """One that is whole."""
    async with laboratory("test-capacity") as lab:
        yield lab


async def floors(lab: Laboratory) -> Mapping[str, int | None]:
    """As the vendors' own SDKs read them, with the settings of aws's controller: no fault here cuts it off."""
    settings = read_settings(lab.sites["aws"].settings / "controller.toml", PASSWORDS)
    asked = providers(settings.services[SERVICE], settings).capacities
    return {site: await capacity.floor(SERVICE) for site, capacity in asked.items()}


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
