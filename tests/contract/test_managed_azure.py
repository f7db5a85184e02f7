"""What Azure's adapters of servers and instances promise beyond the contracts of all providers, against the emulated Azure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.errors import Denied, Transient, Unsupported
from controller.ports import Promotion, PromotionState, Raised
from controller.providers.azure.database import FlexibleServer
from controller.providers.azure.session import servers_client
from lab.clouds.azure_servers import FAILING
from lab.clouds.faults import FaultKind, Rule
from tests.contract.azure_worlds import (
    GROUP,
    PROMOTION,
    ContainerAppsWorld,
    Emulated,
    FlexibleServerWorld,
    container_apps_world,
    emulated_azure,
    flexible_server_world,
)
from tests.contract.capacity_worlds import FLOOR
from tests.contract.pace import paced

LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The emulated Azure, shared by the module."""
    with emulated_azure(tmp_path_factory.mktemp("azure")) as found:
        yield found


def named(request: pytest.FixtureRequest) -> str:
    """The test's name as part of a resource's."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:40].strip("-").lower()


@pytest.fixture
async def server(emulated: Emulated, request: pytest.FixtureRequest) -> AsyncIterator[FlexibleServerWorld]:
    """A replica nobody else uses."""
    async with flexible_server_world(emulated, named(request)) as made:
        yield made


@pytest.fixture
async def app(emulated: Emulated, request: pytest.FixtureRequest) -> AsyncIterator[ContainerAppsWorld]:
    """An app nobody else uses."""
    async with container_apps_world(emulated, named(request)) as made:
        yield made


async def ended(database: FlexibleServer, operation: str) -> Promotion:
    """The promotion once it no longer runs."""
    async with asyncio.timeout(10):
        while (found := await database.promotion(operation, LONG)).state is PromotionState.RUNNING:
            await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("standby", "available", "synchronous"),
    [
        ({"mode": "ZoneRedundant", "state": "Healthy"}, True, True),
        ({"mode": "SameZone", "state": "Healthy"}, True, True),
        ({"mode": "ZoneRedundant", "state": "ReplicatingData"}, False, False),
        ({"mode": "ZoneRedundant", "state": "FailingOver"}, False, False),
        ({"mode": "Disabled", "state": "NotEnabled"}, False, None),
    ],
)
async def test_a_standby_counts_once_it_is_healthy(
    server: FlexibleServerWorld, standby: dict[str, str], available: bool, synchronous: bool | None
) -> None:
    """One that is still being filled would lose what an in-cloud failover cuts; without one there is nothing to confirm a commit."""
    await server.put("standby", {"highAvailability": standby})
    facts = await server.another("standby").facts(LONG)
    assert facts is not None
    assert (facts.highly_available, facts.synchronous_standby) == (available, synchronous)
    assert (facts.replica_of, facts.state, facts.storage_free) == (None, "Ready", None)


async def test_the_next_maintenance_is_told(server: FlexibleServerWorld) -> None:
    """The earliest of those planned, in UTC; a list that cannot be read leaves the rest of the facts alone, and in time."""
    events = [
        {"id": f"e{day}", "name": f"e{day}", "properties": {"status": "Planned", "startTime": f"2026-12-{day:02}T02:00:00Z"}}
        for day in (9, 2)
    ]
    await server.put("kept", {"labMaintenanceEvents": events})
    kept = server.another("kept")
    facts = await kept.facts(LONG)
    assert facts is not None and facts.maintenance == datetime(2026, 12, 2, 2, tzinfo=UTC)
    for kind in (FaultKind.UNAVAILABLE, FaultKind.DENY, FaultKind.LIE, FaultKind.HANG):
        await server.control.inject([Rule(kind=kind, operation="MaintenanceEvents_List")])
        facts = await kept.facts(SHORT)
        assert facts is not None and (facts.maintenance, facts.state) == (None, "Ready")


async def test_a_promotion_that_fails_says_why(server: FlexibleServerWorld) -> None:
    """In the provider's words, to any controller."""
    await server.put(
        server.replica, {"createMode": "Replica", "sourceServerResourceId": await source(server)}, tags={FAILING: "no room"}
    )
    begun = await server.database.promote(LONG)
    found = await ended(server.another(), begun.operation)
    assert (found.state, "no room" in found.detail) == (PromotionState.FAILED, True)


async def test_a_promotion_that_azure_calls_done_is_looked_at(server: FlexibleServerWorld) -> None:
    """The operation says Succeeded and the server is a replica as before: whoever sent traffic there would send it to a standstill."""
    await server.weather.ignore_change()
    begun = await server.database.promote(LONG)
    found = await ended(server.database, begun.operation)
    assert (found.state, "as before" in found.detail) == (PromotionState.FAILED, True)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Ready", PromotionState.DONE),
        ("Updating", PromotionState.RUNNING),
        ("Restarting", PromotionState.RUNNING),
        ("Stopped", PromotionState.FAILED),
        ("Inaccessible", PromotionState.FAILED),
    ],
)
async def test_a_server_that_follows_nobody_has_to_be_ready(
    server: FlexibleServerWorld, state: str, expected: PromotionState
) -> None:
    """It is no replica any more, and takes no writes yet: whoever was told that it is promoted would send payers to a standstill."""
    await server.put("alone", {"state": state})
    alone = server.another("alone")
    told = await alone.promote(LONG)
    assert (told.state, state in told.detail) == (expected, True)
    assert (await alone.promotion(told.operation, LONG)).state is expected


async def test_what_is_journaled_is_short_and_no_secret(server: FlexibleServerWorld) -> None:
    """No token, and no host: another controller reaches Azure by an endpoint of its own."""
    begun = await server.database.promote(LONG)
    assert "lab" not in begun.operation.partition(" ")[2]
    assert "127.0.0.1" not in begun.operation and "http" not in begun.operation
    assert len(begun.operation) < 300


async def test_another_endpoint_resumes_a_promotion(server: FlexibleServerWorld, emulated: Emulated) -> None:
    """A client of its own, which knows the same Azure by another name."""
    begun = await server.database.promote(LONG)
    arm = Emulated(
        url=emulated.url.replace("127.0.0.1", "localhost"),
        control_url=emulated.control_url,
        authority_file=emulated.authority_file,
    ).arm
    with servers_client(arm, emulated.credential) as api:
        successor = FlexibleServer(site=server.database.site, client=lambda: api, resource_group=GROUP, server=server.replica)
        assert (await ended(successor, begun.operation)).state is PromotionState.DONE


@pytest.mark.parametrize("link", ["https://127.0.0.1:9/subscriptions/x", "//127.0.0.1:9/subscriptions/x", "file:///x", "other"])
async def test_a_link_from_the_journal_is_not_followed(server: FlexibleServerWorld, link: str) -> None:
    """It would take the controller's token wherever it points."""
    asked = server.database.calls
    with pytest.raises(Unsupported):
        await server.database.promotion(f"{server.replica} {link}", LONG)
    assert server.database.calls == asked


async def test_a_promotion_of_another_server_is_not_ours(server: FlexibleServerWorld) -> None:
    """The journal of one service read as that of another would call its replica promoted."""
    begun = await server.database.promote(LONG)
    with pytest.raises(Unsupported):
        await server.another(server.primary).promotion(begun.operation, LONG)


async def test_an_operation_that_azure_forgot_is_answered_by_the_server(server: FlexibleServerWorld) -> None:
    """A controller that comes back after days still learns how it ended."""
    begun = await server.database.promote(LONG)
    await asyncio.sleep(PROMOTION.total_seconds())
    forgotten = begun.operation.replace("azureAsyncOperation/", "azureAsyncOperation/0")
    found = await server.database.promotion(forgotten, LONG)
    assert (found.state, found.operation) == (PromotionState.DONE, forgotten)


async def test_nobody_asks_on_behind_our_back(server: FlexibleServerWorld) -> None:
    """The SDK's own poller would: a thread for every promotion and every floor, for as long as it takes."""
    before = (await server.control.requests()).get("Operations_Get", 0)
    await server.database.promote(LONG)
    await asyncio.sleep(1.3)
    assert (await server.control.requests()).get("Operations_Get", 0) == before


async def source(server: FlexibleServerWorld) -> str:
    """Id of the primary."""
    return str(await asyncio.to_thread(lambda: server.api.servers.get(GROUP, server.primary).id))


async def test_raising_a_floor_leaves_the_rest_of_the_app_alone(app: ContainerAppsWorld) -> None:
    """Containers stay, and the most replicas stay where they are high enough."""
    assert await app.capacity.raise_floor(app.service, FLOOR + 1, LONG) == Raised(before=FLOOR, after=FLOOR + 1)
    assert await app.template() == {
        "containers": [{"name": "web", "image": "web"}],
        "scale": {"minReplicas": FLOOR + 1, "maxReplicas": FLOOR + 2},
    }


async def test_a_floor_above_the_most_replicas_raises_both(app: ContainerAppsWorld) -> None:
    """Azure refuses an app whose least is more than its most."""
    await app.capacity.raise_floor(app.service, FLOOR + 7, LONG)
    assert (await app.template())["scale"] == {"minReplicas": FLOOR + 7, "maxReplicas": FLOOR + 7}


async def test_more_replicas_that_were_allowed_meanwhile_stay_allowed(app: ContainerAppsWorld) -> None:
    """Somebody raises the most between our reading and our patch: written back as it was read, it would keep the site from growing in the
    middle of a failover."""
    await app.weather.delay_change(0.5)
    sent = await app.changes()
    raising = asyncio.create_task(app.capacity.raise_floor(app.service, FLOOR + 1, LONG))
    async with asyncio.timeout(5):
        while await app.changes() == sent:
            await asyncio.sleep(0.01)
    await app.patch({"properties": {"template": {"scale": {"maxReplicas": FLOOR + 30}}}})
    assert await raising == Raised(before=FLOOR, after=FLOOR + 1)
    assert (await app.template())["scale"] == {"minReplicas": FLOOR + 1, "maxReplicas": FLOOR + 30}


async def test_a_new_revision_is_not_called_like_the_present_one(app: ContainerAppsWorld) -> None:
    """A release named its revision. Another one of that name is refused by Azure, so Azure is left to name ours."""
    await app.patch({"properties": {"template": {"revisionSuffix": "release-7"}}})
    await app.capacity.raise_floor(app.service, FLOOR + 1, LONG)
    assert "revisionSuffix" not in await app.template()


@pytest.mark.parametrize(
    ("traffic", "raised"),
    [
        (None, False),
        ([{"revisionName": "web--1", "weight": 100}], False),
        ([{"revisionName": "web--1", "weight": 100}, {"latestRevision": True, "weight": 0}], False),
        ([{"latestRevision": True, "weight": 100}], True),
    ],
)
async def test_a_floor_that_would_not_serve_is_not_told_as_raised(
    app: ContainerAppsWorld, traffic: list[dict[str, object]] | None, raised: bool
) -> None:
    """With several revisions at once a new one gets no traffic by itself: its replicas would stand beside those that drown."""
    await app.patch({"properties": {"configuration": {"activeRevisionsMode": "Multiple", "ingress": {"traffic": traffic}}}})
    if raised:
        assert await app.capacity.raise_floor(app.service, FLOOR + 1, LONG) == Raised(before=FLOOR, after=FLOOR + 1)
        return
    with pytest.raises(Unsupported, match="several revisions"):
        await app.capacity.raise_floor(app.service, FLOOR + 1, LONG)
    assert await app.capacity.raise_floor(app.service, FLOOR, LONG) == Raised(before=FLOOR, after=FLOOR)


async def test_of_two_raisings_at_once_the_higher_one_stands(app: ContainerAppsWorld) -> None:
    """Both read the same floor: the lower one, patched last, would take back what the higher one was told."""
    await app.weather.delay_change(0.3)
    higher, lower = await asyncio.gather(
        app.capacity.raise_floor(app.service, FLOOR + 5, LONG), app.capacity.raise_floor(app.service, FLOOR + 1, LONG)
    )
    assert (higher.after, lower) == (FLOOR + 5, Raised(before=FLOOR + 5, after=FLOOR + 5))
    assert await app.capacity.floor(app.service) == FLOOR + 5


@pytest.mark.parametrize(("kind", "error"), [(FaultKind.LIE, Transient), (FaultKind.GARBLE, Transient), (FaultKind.DENY, Denied)])
async def test_only_azures_word_is_an_acceptance(app: ContainerAppsWorld, kind: FaultKind, error: type[Exception]) -> None:
    """The SDK takes any 200 for one: a proxy's page would pass for a raised floor."""
    await app.control.inject([Rule(kind=kind, operation="ContainerApps_Update")])
    with pytest.raises(error):
        await app.capacity.raise_floor(app.service, FLOOR + 1, SHORT)


async def test_a_raising_waits_its_turn_no_longer_than_its_deadline(app: ContainerAppsWorld) -> None:
    """The one before it hangs: the deadline of the second fires all the same."""
    await app.weather.hang()
    first = asyncio.create_task(app.capacity.raise_floor(app.service, FLOOR + 1, timedelta(seconds=3)))
    await asyncio.sleep(0.05)
    with paced() as pace, pytest.raises(Transient):
        await app.capacity.raise_floor(app.service, FLOOR + 2, SHORT)
    assert pace.took < SHORT + timedelta(seconds=0.3) + pace.stalled
    await app.weather.heal()
    result: Any = (await asyncio.gather(first, return_exceptions=True))[0]
    assert isinstance(result, Raised | Transient)
