"""What every provider of managed databases promises: the shipped fake and each vendor's adapter against its emulated API."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from controller.errors import Denied, Transient, Unsupported
from controller.ports import ManagedDatabase, Promotion, PromotionState
from tests.contract.implementation import Implementation, Started, started
from tests.contract.managed_worlds import LONGEST_PROMOTION, World
from tests.contract.pace import paced
from tests.contract.registry import MANAGED

LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
LATE = timedelta(seconds=0.2)
LOOK = timedelta(milliseconds=50)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Emulated clouds, started when the first test asks for them."""
    with started(tmp_path_factory.mktemp("managed")) as made:
        yield made


@pytest.fixture(params=MANAGED, ids=str)
async def world(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[World]:
    """Each implementation in turn, with a healthy read replica."""
    implementation: Implementation[World] = request.param
    async with shared.world(implementation, request.node.originalname) as made:
        yield made


async def _ended(world: World, database: ManagedDatabase, operation: str) -> Promotion:
    """The promotion once it no longer runs."""
    give_up = world.now() + LONGEST_PROMOTION
    while (seen := await database.promotion(operation, LONG)).state is PromotionState.RUNNING:
        assert world.now() < give_up, seen
        await world.pause(LOOK)
    return seen


async def test_a_replica_is_told_as_one(world: World) -> None:
    """Facts say whose replica it is, in the vendor's word how it is, and no share of a disk that cannot be."""
    facts = await world.database.facts(LONG)
    assert facts is not None
    assert facts.replica_of == world.primary
    assert facts.state
    assert facts.storage_free is None or 0 <= facts.storage_free <= 1


async def test_a_server_that_is_not_there_is_a_value_to_ask_and_unsupported_to_promote(world: World) -> None:
    """Not found is no error of asking."""
    nowhere = world.elsewhere()
    assert await nowhere.facts(LONG) is None
    with pytest.raises(Unsupported):
        await nowhere.promote(LONG)


async def test_a_promotion_takes_its_time_and_makes_a_server_of_its_own(world: World) -> None:
    """It runs, then it is done, and the replica follows nobody."""
    begun = await world.database.promote(LONG)
    assert begun.state is PromotionState.RUNNING and begun.operation
    assert (await _ended(world, world.database, begun.operation)).state is PromotionState.DONE
    facts = await world.database.facts(LONG)
    assert facts is not None and facts.replica_of is None


async def test_whoever_has_the_operation_from_the_journal_sees_the_end(world: World) -> None:
    """The controller that began it is gone."""
    begun = await world.database.promote(LONG)
    assert (await _ended(world, world.another(), begun.operation)).state is PromotionState.DONE


async def test_asking_again_finds_the_promotion_that_runs_or_is_over(world: World) -> None:
    """Nothing is promoted twice: not by the same controller, not by another, not afterwards."""
    asked = await world.promotions()
    begun = await world.database.promote(LONG)
    again = await world.another().promote(LONG)
    assert again.state in (PromotionState.RUNNING, PromotionState.DONE)
    await _ended(world, world.database, begun.operation)
    assert (await _ended(world, world.database, again.operation)).state is PromotionState.DONE
    over = await world.another().promote(LONG)
    assert over.state is PromotionState.DONE
    assert (await world.another().promotion(over.operation, LONG)).state is PromotionState.DONE
    assert await world.promotions() == asked + 1


async def test_a_lost_answer_is_settled_by_asking_again(world: World) -> None:
    """The promotion began and nobody was told: asked again, it is found, and comes to its end."""
    await world.weather.lose_answer()
    try:
        begun = await world.database.promote(LONG)
    except Transient:
        begun = await world.another().promote(LONG)
    assert (await _ended(world, world.another(), begun.operation)).state is PromotionState.DONE


async def test_a_promotion_that_never_began_is_not_told_as_done(world: World) -> None:
    """The API said yes and did nothing. Whoever asks for it again has it begin."""
    await world.weather.ignore_change()
    begun = await world.database.promote(LONG)
    await world.weather.heal()
    await world.pause(LOOK)
    assert (await world.database.promotion(begun.operation, LONG)).state is not PromotionState.DONE
    facts = await world.database.facts(LONG)
    assert facts is not None and facts.replica_of == world.primary
    again = await world.database.promote(LONG)
    assert (await _ended(world, world.database, again.operation)).state is PromotionState.DONE


async def test_a_storm_of_throttling_is_transient_in_time(world: World) -> None:
    """Until it is over nothing is promoted and nobody waits past the deadline."""
    asked = await world.promotions()
    await world.weather.throttle(1000)
    with paced(world.now) as pace:
        with pytest.raises(Transient):
            await world.database.promote(SHORT)
        with pytest.raises(Transient):
            await world.database.facts(SHORT)
    assert pace.took <= 2 * (SHORT + LATE) + pace.stalled
    await world.weather.heal()
    assert await world.promotions() == asked
    assert (await world.database.promote(LONG)).state is PromotionState.RUNNING


async def test_a_provider_that_hangs_costs_the_deadline_and_no_more(world: World) -> None:
    """Transient in time, for each question."""
    begun = await world.database.promote(LONG)
    await world.weather.hang()
    for question in (
        world.database.promote(SHORT),
        world.another().promotion(begun.operation, SHORT),
        world.database.facts(SHORT),
    ):
        with paced(world.now) as pace, pytest.raises(Transient):
            await question
        assert pace.took <= SHORT + LATE + pace.stalled
    await world.weather.heal()
    assert (await _ended(world, world.database, begun.operation)).state is PromotionState.DONE


async def test_a_provider_that_lies_is_one_that_does_not_answer(world: World) -> None:
    """A proxy's page with status 200 says nothing about a server, and promotes none."""
    await world.weather.lie()
    with pytest.raises(Transient):
        await world.database.facts(LONG)
    with pytest.raises(Transient):
        await world.database.promote(SHORT)
    await world.weather.heal()
    facts = await world.database.facts(LONG)
    assert facts is not None and facts.replica_of == world.primary


async def test_missing_permission_is_denied_and_promotes_nothing(world: World) -> None:
    """Denied at once, whether already reading is not permitted or only promoting."""
    await world.weather.deny()
    with pytest.raises(Denied):
        await world.database.facts(LONG)
    await world.weather.deny_changes()
    with pytest.raises(Denied):
        await world.database.promote(LONG)
    await world.weather.heal()
    facts = await world.database.facts(LONG)
    assert facts is not None and facts.replica_of == world.primary


async def test_an_operation_nobody_knows_is_unsupported(world: World) -> None:
    """A journal of another server."""
    with pytest.raises(Unsupported):
        await world.database.promotion("nothing-of-this-name", LONG)
