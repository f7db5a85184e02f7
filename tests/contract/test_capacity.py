"""What every provider of instances promises: the shipped fake and each vendor's adapter against its emulated API pass the same suite."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from controller.errors import Denied, Transient, Unsupported
from controller.ports import Raised
from tests.contract.capacity_worlds import FLOOR, World
from tests.contract.implementation import Implementation, Started, started
from tests.contract.pace import paced
from tests.contract.registry import CAPACITY

LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
LATE = timedelta(seconds=0.2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Emulated clouds, started when the first test asks for them."""
    with started(tmp_path_factory.mktemp("capacity")) as made:
        yield made


@pytest.fixture(params=CAPACITY, ids=str)
async def world(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[World]:
    """Each implementation in turn, with a service whose floor is FLOOR."""
    implementation: Implementation[World] = request.param
    async with shared.world(implementation, request.node.originalname) as made:
        yield made


async def test_a_floor_is_raised(world: World) -> None:
    """It says what it was and what it is, and anybody reads the new one."""
    assert await world.capacity.floor(world.service) == FLOOR
    assert await world.capacity.raise_floor(world.service, FLOOR + 3, LONG) == Raised(before=FLOOR, after=FLOOR + 3)
    assert await world.another().floor(world.service) == FLOOR + 3


async def test_a_floor_is_never_lowered(world: World) -> None:
    """Fewer instances than there are is no wish: nothing is sent."""
    sent = await world.changes()
    assert await world.capacity.raise_floor(world.service, FLOOR - 1, LONG) == Raised(before=FLOOR, after=FLOOR)
    assert await world.capacity.floor(world.service) == FLOOR
    assert await world.changes() == sent


async def test_asking_twice_changes_once(world: World) -> None:
    """The second finds what the first did, whoever asks."""
    await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)
    sent = await world.changes()
    assert await world.another().raise_floor(world.service, FLOOR + 1, LONG) == Raised(before=FLOOR + 1, after=FLOOR + 1)
    assert await world.changes() == sent


async def test_a_service_that_is_not_there_is_a_value_to_read_and_unsupported_to_raise(world: World) -> None:
    """Nobody makes a service here."""
    assert await world.capacity.floor("nothing-of-this-name") is None
    with pytest.raises(Unsupported):
        await world.capacity.raise_floor("nothing-of-this-name", 3, LONG)


async def test_a_place_that_does_not_exist_is_unsupported(world: World) -> None:
    """A cluster, a resource group, a project: somebody has to mend the settings."""
    with pytest.raises(Unsupported):
        await world.elsewhere().raise_floor(world.service, 3, LONG)


async def test_a_lost_answer_is_settled_by_asking_again(world: World) -> None:
    """By the same call, or by the next one after a Transient: the floor then stands."""
    await world.weather.lose_answer()
    try:
        await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)
    except Transient:
        assert (await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)).after == FLOOR + 1
    assert await world.capacity.floor(world.service) == FLOOR + 1


async def test_a_change_without_effect_is_found_by_asking_again(world: World) -> None:
    """The API said yes and did nothing."""
    await world.weather.ignore_change()
    await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)
    await world.weather.heal()
    await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)
    assert await world.capacity.floor(world.service) == FLOOR + 1


async def test_a_storm_of_throttling_is_transient_in_time(world: World) -> None:
    """Until it is over, nothing changes and nobody waits past the deadline."""
    await world.weather.throttle(1000)
    with paced(world.now) as pace, pytest.raises(Transient):
        await world.capacity.raise_floor(world.service, FLOOR + 1, SHORT)
    assert pace.took <= SHORT + LATE + pace.stalled
    with pytest.raises(Transient):
        await world.capacity.floor(world.service)
    await world.weather.heal()
    assert await world.capacity.floor(world.service) == FLOOR
    assert (await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)).after == FLOOR + 1


async def test_a_provider_that_hangs_costs_the_deadline_and_no_more(world: World) -> None:
    """Transient at the deadline; works again once it is healed."""
    await world.weather.hang()
    with paced(world.now) as pace, pytest.raises(Transient):
        await world.capacity.raise_floor(world.service, FLOOR + 1, SHORT)
    assert SHORT - timedelta(seconds=0.05) <= pace.took <= SHORT + LATE + pace.stalled
    await world.weather.heal()
    assert (await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)).after == FLOOR + 1


async def test_a_provider_that_lies_is_one_that_does_not_answer(world: World) -> None:
    """A proxy's page with status 200 is no answer, to a question or to a change."""
    await world.weather.lie()
    with pytest.raises(Transient):
        await world.capacity.floor(world.service)
    with pytest.raises(Transient):
        await world.capacity.raise_floor(world.service, FLOOR + 1, SHORT)
    await world.weather.heal()
    assert await world.capacity.floor(world.service) == FLOOR


async def test_missing_permission_is_denied_and_changes_nothing(world: World) -> None:
    """Denied at once, whether already reading is not permitted or only changing."""
    await world.weather.deny()
    with pytest.raises(Denied):
        await world.capacity.floor(world.service)
    await world.weather.deny_changes()
    with pytest.raises(Denied):
        await world.capacity.raise_floor(world.service, FLOOR + 1, LONG)
    await world.weather.heal()
    assert await world.capacity.floor(world.service) == FLOOR
