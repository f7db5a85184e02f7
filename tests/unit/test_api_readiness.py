"""What providers say about servers is told as readiness: with its age, as warnings, and without blocking a single move."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as supposing
from hypothesis import settings
from hypothesis import strategies as st

from controller.core.model import Site
from controller.ports import ProviderFacts
from controller.provider_watch import ProviderWatch
from controller.providers.memory.capacity import MemoryCapacity
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.managed import REPLICA, MemoryManagedDatabase, MemoryServerOffice
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio

STATUS = "/v1/services/payments/status"
OWN = replace(REPLICA, replica_of=None)
SOON = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)


def asking(told: dict[Site, ProviderFacts | None], **switches: Any) -> Callable[[SteppedClock], ProviderWatch]:
    """A watch over these servers, gcp's instances and azure's read replica."""

    def make(clock: SteppedClock) -> ProviderWatch:
        servers = {
            site: MemoryManagedDatabase(site=site, clock=clock, server=MemoryServerOffice(told=facts, **switches))
            for site, facts in told.items()
        }
        return ProviderWatch(
            service="payments",
            clock=clock,
            servers=servers,
            replicas={AZURE: MemoryManagedDatabase(site=AZURE, clock=clock)},
            capacities={GCP: MemoryCapacity(site=GCP, clock=clock, floors={"payments": 1})},
            floors={GCP: 3},
        )

    return make


async def status(given: Room) -> dict[str, Any]:
    """What aws's controller says."""
    code, told = await given.get(STATUS)
    assert code == 200 and isinstance(told, dict)
    return told


async def test_what_providers_say_stands_beside_each_site_with_its_age() -> None:
    """HA, storage, maintenance, replica, floor; nothing to warn of while all is well."""
    async with room(providers=asking(dict.fromkeys(SITES, OWN))) as given:
        told = await status(given)
        said = told["sites"]["aws"]["provider"]["server"]
        assert said["known"] and said["age_s"] < 2 and said["because"] == ""
        assert (said["highly_available"], said["storage_free"], said["maintenance"], said["state"]) == (
            True,
            0.8,
            None,
            "available",
        )
        assert told["sites"]["azure"]["provider"]["replica"]["replica_of"] == "primary"
        floor = told["sites"]["gcp"]["provider"]["instances"]
        assert (floor["floor"], floor["raised_to"]) == (1, 3)
        assert told["warnings"] == []


@pytest.mark.parametrize(
    ("facts", "value", "way_out"),
    [
        (replace(OWN, storage_free=0.07), "7% of its storage is free", "Enlarge"),
        (replace(OWN, highly_available=False, synchronous_standby=None), "no standby that is ready", "Have its provider"),
        (replace(OWN, synchronous_standby=False), "its standby is asynchronous", "synchronous"),
        (replace(OWN, maintenance=SOON), "maintenance from 2026-08-01T03:00:00+00:00", "postpone"),
        (replace(OWN, replica_of="other"), "a read replica of other", "promote"),
        (None, "there is none of that name", "settings"),
    ],
)
async def test_what_a_person_should_mend_is_a_warning_and_blocks_nothing(
    facts: ProviderFacts | None, value: str, way_out: str
) -> None:
    """Value, limit and way out, as refusals have them; every move stays as possible as it was."""
    async with room(providers=asking({AWS: facts})) as given:
        told = await status(given)
        (warning,) = told["warnings"]
        assert (warning["site"], warning["subject"], warning["value"]) == ("aws", "server", value)
        assert way_out in warning["way_out"] and warning["limit"] and warning["age_s"] < 2 and value in warning["said"]
        assert told["moves"] == {"switchover": {"aws": [], "gcp": []}, "failover": [], "automatic_failover": []}


async def test_what_a_provider_does_not_say_is_null_and_no_warning() -> None:
    """Unknown is a third answer: Azure does not say how full a disk is."""
    silent = replace(OWN, highly_available=None, synchronous_standby=None, storage_free=None)
    async with room(providers=asking({AWS: silent})) as given:
        told = await status(given)
        assert told["warnings"] == [] and told["sites"]["aws"]["provider"]["server"]["highly_available"] is None


async def test_a_provider_that_could_not_be_asked_is_unknown_and_told() -> None:
    """No old value is told as known; the warning says for how long nobody knows, and why."""
    async with room(providers=asking({AWS: OWN})) as given:
        assert given.providers is not None
        server = given.providers.servers[AWS]
        assert isinstance(server, MemoryManagedDatabase)
        server.server.denied = True
        await given.tick(int((given.providers.believed_for + timedelta(seconds=40)) / timedelta(milliseconds=100)))
        told = await status(given)
        said = told["sites"]["aws"]["provider"]["server"]
        assert not said["known"] and "storage_free" not in said and said["exists"] is None
        assert said["age_s"] > given.providers.believed_for.total_seconds()
        (warning,) = told["warnings"]
        assert "unknown, last answered" in warning["value"] and "credentials are missing" in warning["value"]


async def test_metrics_hold_what_is_known_and_no_number_for_what_is_not() -> None:
    """A full disk and a silent provider are alarms that a person can set."""
    told = {AWS: replace(OWN, storage_free=0.07, maintenance=SOON), GCP: replace(OWN, storage_free=None)}
    async with room(providers=asking(told)) as given:
        async with given.http.get(given.servers[AWS].make_url("/metrics")) as response:
            lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
        about = '{service="payments",site="%s",subject="%s"}'
        assert float(lines["trimaran_provider_storage_free_ratio" + about % ("aws", "server")]) == 0.07
        assert float(lines["trimaran_provider_maintenance_seconds" + about % ("aws", "server")]) == SOON.timestamp()
        assert float(lines["trimaran_provider_unknown" + about % ("aws", "server")]) == 0
        assert float(lines["trimaran_provider_instances_floor" + about % ("gcp", "instances")]) == 1
        assert "trimaran_provider_storage_free_ratio" + about % ("gcp", "server") not in lines


async def test_a_failover_is_the_same_whatever_providers_say_or_do_not_say() -> None:
    """The writer dies while no provider of any site answers, or all of them complain: as many ticks until another one writes."""

    async def ticks_until_moved(told: ProviderFacts | None, **switches: Any) -> int:
        async with room(providers=asking(dict.fromkeys(SITES, told), **switches)) as given:
            given.kill(AZURE)
            for tick in range(100):
                if (await given.posture()).writer != AZURE:
                    return tick
                await given.tick()
            raise AssertionError("no failover")

    well = await ticks_until_moved(OWN)
    poor = replace(OWN, storage_free=0.0, highly_available=False, maintenance=SOON, replica_of="other", state="storage-full")
    assert [await ticks_until_moved(poor), await ticks_until_moved(None), await ticks_until_moved(OWN, hanging=True)] == [
        well
    ] * 3


FACTS = st.builds(
    ProviderFacts,
    highly_available=st.none() | st.booleans(),
    synchronous_standby=st.none() | st.booleans(),
    storage_free=st.none() | st.floats(0, 1),
    maintenance=st.none() | st.just(SOON),
    replica_of=st.none() | st.text(max_size=5),
    state=st.text(max_size=5),
)


@settings(max_examples=20, deadline=None)
@supposing(st.none() | FACTS)
async def test_no_word_of_a_provider_makes_a_move_impossible(facts: ProviderFacts | None) -> None:
    """Whatever it is, moves and decision are those of a controller that asks no provider, and status can be told."""
    async with room(providers=asking(dict.fromkeys(SITES, facts))) as given, room() as alone:
        told, without = await status(given), await status(alone)
        assert (told["moves"], told["decision"], told["posture"]) == (without["moves"], without["decision"], without["posture"])
