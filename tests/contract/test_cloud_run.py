"""What only Cloud Run does: floors of services and of their templates, manual scaling, and changes held against what was read."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from controller.core.model import Site
from controller.errors import Denied, Transient, Unsupported
from controller.ports import Raised
from controller.providers.gcp.capacity import CloudRun
from lab.clouds.faults import FaultKind, Rule
from tests.contract.google_worlds import PROJECT, GoogleApi, emulated_google, google_api, vendors_client
from tests.contract.pace import paced

LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
PLACE = f"projects/{PROJECT}/locations/europe-west1/services"
PATCH = "run.projects.locations.services.patch"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated Google of this module."""
    with emulated_google(tmp_path_factory.mktemp("google")) as found:
        yield found


@pytest.fixture
async def api(url: str) -> AsyncIterator[GoogleApi]:
    """Asked past every adapter."""
    async with google_api(url) as made:
        yield made


@pytest.fixture
def run(api: GoogleApi) -> CloudRun:
    """A controller's adapter."""
    client = vendors_client("run", "v2", api.url)
    return CloudRun(client=lambda: client, site=Site("gcp"), project=PROJECT, location="europe-west1")


async def place(api: GoogleApi, **fields: Any) -> str:
    """Have a service that no other test uses; answers its name."""
    name = f"payments-{next(NUMBERS)}"
    await api.place(f"services/{PLACE}/{name}", fields)
    return name


async def told(api: GoogleApi, name: str) -> Mapping[str, Any]:
    """What the API says about a service."""
    return await api.ask("GET", f"/v2/{PLACE}/{name}")


async def test_a_raised_floor_makes_no_revision(api: GoogleApi, run: CloudRun) -> None:
    """The service's own minimum grows and its template stays: nothing is rolled out in the middle of a failover."""
    name = await place(api)
    before = await told(api, name)
    assert await run.raise_floor(name, 3, LONG) == Raised(before=0, after=3)
    after = await told(api, name)
    assert after["scaling"]["minInstanceCount"] == 3
    assert after["template"] == before["template"]
    assert run.calls == 2


async def test_the_higher_one_of_both_floors_counts(api: GoogleApi, run: CloudRun) -> None:
    """A floor in the template holds already: asking for less sends nothing, and nothing is lowered."""
    name = await place(api, template={"scaling": {"minInstanceCount": 4}}, scaling={"minInstanceCount": 1})
    assert await run.floor(name) == 4
    sent = (await api.control.requests()).get(PATCH, 0)
    assert await run.raise_floor(name, 3, LONG) == Raised(before=4, after=4)
    assert (await api.control.requests()).get(PATCH, 0) == sent
    assert await run.raise_floor(name, 6, LONG) == Raised(before=4, after=6)
    assert await run.floor(name) == 6


async def test_manual_scaling_has_its_own_floor(api: GoogleApi, run: CloudRun) -> None:
    """A service scaled by hand has a fixed number: that one is raised, for a minimum would mean nothing."""
    name = await place(api, scaling={"scalingMode": "MANUAL", "manualInstanceCount": 2})
    assert await run.raise_floor(name, 5, LONG) == Raised(before=2, after=5)
    assert (await told(api, name))["scaling"] == {"scalingMode": "MANUAL", "manualInstanceCount": 5}


async def test_a_floor_that_somebody_raised_higher_meanwhile_stays(api: GoogleApi, run: CloudRun) -> None:
    """Their change lands between our reading and ours: ours fails on its etag, reads again, and finds nothing left to do."""
    name = await place(api)
    await api.control.inject([Rule(kind=FaultKind.DELAY, operation=PATCH, count=1, seconds=0.3)])
    sent = (await api.control.requests()).get(PATCH, 0)
    raising = asyncio.create_task(run.raise_floor(name, 3, LONG))
    async with asyncio.timeout(5):
        while (await api.control.requests()).get(PATCH, 0) == sent:
            await asyncio.sleep(0.01)
    await api.ask("PATCH", f"/v2/{PLACE}/{name}?updateMask=scaling.minInstanceCount", {"scaling": {"minInstanceCount": 9}})
    assert await raising == Raised(before=0, after=9)
    assert await run.floor(name) == 9


async def test_a_lost_answer_is_settled_by_reading(api: GoogleApi, run: CloudRun) -> None:
    """Carried out and not answered: the floor is found as it was asked for, and what it was before is still told."""
    name = await place(api, scaling={"minInstanceCount": 1})
    await api.control.inject([Rule(kind=FaultKind.LOSE_ANSWER, operation=PATCH, count=1)])
    assert await run.raise_floor(name, 3, LONG) == Raised(before=1, after=3)


async def test_a_ceiling_below_the_floor_is_told_at_once(api: GoogleApi, run: CloudRun) -> None:
    """More than the service may ever run is Unsupported: the ceiling has to be raised by somebody, and no retry is made."""
    name = await place(api, template={"scaling": {"maxInstanceCount": 2}})
    with pytest.raises(Unsupported, match="ceiling"):
        await run.raise_floor(name, 3, LONG)
    assert await run.floor(name) == 0


async def test_no_such_service_is_a_value_for_the_floor_only(api: GoogleApi, run: CloudRun) -> None:
    """None when asked for the floor, Unsupported when asked to raise it; not permitted is neither."""
    assert await run.floor("nobody") is None
    with pytest.raises(Unsupported):
        await run.raise_floor("nobody", 1, LONG)
    await api.control.inject([Rule(kind=FaultKind.DENY)])
    with pytest.raises(Denied):
        await run.floor("nobody")


async def test_our_name_and_the_vendors_may_differ(api: GoogleApi) -> None:
    """The settings say what Cloud Run calls a service of ours."""
    name = await place(api, scaling={"minInstanceCount": 7})
    url = api.url
    run = CloudRun(
        client=lambda: vendors_client("run", "v2", url),
        site=Site("gcp"),
        project=PROJECT,
        location="europe-west1",
        names={"payments": name},
    )
    assert await run.floor("payments") == 7


async def test_a_hanging_api_costs_the_deadline_and_no_more(api: GoogleApi, run: CloudRun) -> None:
    """A floor is best effort: it is Transient at the deadline, and nobody waits longer."""
    name = await place(api)
    await api.control.inject([Rule(kind=FaultKind.HANG)])
    with paced() as pace, pytest.raises(Transient):
        await run.raise_floor(name, 3, SHORT)
    assert pace.took < SHORT + timedelta(seconds=0.2) + pace.stalled
