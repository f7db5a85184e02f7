"""What every DNS authority promises: the shipped fake and each vendor's adapter against its emulated API pass the same suite."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta

import pytest

from controller.core.model import Group, Site
from controller.errors import Denied, Refused, Transient, Unsupported
from controller.ports import SteeringReport
from tests.contract.dns_worlds import ALL, AWS, AZURE, DRAINED, ELSEWHERE, GCP, LONG, SHORT, SPENT, World
from tests.contract.implementation import Implementation, Started, started
from tests.contract.pace import paced
from tests.contract.registry import DNS

THIRDS = pytest.approx(dict.fromkeys(ALL, 1 / 3), abs=0.01)
HALVES = pytest.approx({AWS: 0.5, AZURE: 0.0, GCP: 0.5})
LATE = timedelta(seconds=0.2)
UNKNOWN = Group("unknown")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Emulated clouds, started when the first test asks for them."""
    with started(tmp_path_factory.mktemp("dns")) as made:
        yield made


@pytest.fixture(params=DNS, ids=str)
async def world(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[World]:
    """Each implementation in turn, with all records weighing the same."""
    implementation: Implementation[World] = request.param
    async with shared.world(implementation, request.node.originalname) as made:
        yield made


async def test_answers_by_the_ratios_it_was_given(world: World) -> None:
    """After steering, the authority holds the wanted shares of every group, and says what it held before."""
    report = await world.dns.steer({world.first: DRAINED, world.second: {GCP: 1.0}}, LONG)
    assert report.changed and report.in_sync and not report.refused
    assert report.shifts[world.first].before == report.shifts[world.second].before == THIRDS
    held = await world.dns.read()
    assert held[world.first] == report.shifts[world.first].after == HALVES
    assert held[world.second] == report.shifts[world.second].after == {AWS: 0.0, AZURE: 0.0, GCP: 1.0}


async def test_shares_that_are_not_equal_are_kept(world: World) -> None:
    """Ratios of any scale come out as shares of one."""
    await world.dns.steer({world.first: {AWS: 30.0, AZURE: 10.0}}, LONG)
    assert (await world.dns.read())[world.first] == pytest.approx({AWS: 0.75, AZURE: 0.25, GCP: 0.0}, abs=0.01)


async def test_asking_twice_changes_once(world: World) -> None:
    """The same weights again send no change, are still known to be in sync, and cost as good as nothing."""
    both = {world.first: DRAINED, world.second: DRAINED}
    await world.dns.steer(both, LONG)
    sent, asked = await world.changes(), world.dns.calls
    again = await world.dns.steer(both, LONG)
    assert await world.changes() == sent
    assert world.dns.calls - asked <= 2
    assert not again.changed
    assert again.in_sync


async def test_a_site_that_is_not_named_is_drained_and_a_group_that_is_not_named_is_left_alone(world: World) -> None:
    """The ratios are the whole answer for a group, and say nothing about any other group."""
    await world.dns.steer({world.first: {AWS: 1.0}}, LONG)
    held = await world.dns.read()
    assert held[world.first] == {AWS: 1.0, AZURE: 0.0, GCP: 0.0}
    assert held[world.second] == THIRDS


async def test_a_lost_answer_is_settled_by_asking_again(world: World) -> None:
    """A change that was carried out without an answer is reported as changed and in sync by the same call."""
    await world.weather.lose_answer()
    report = await world.dns.steer({world.first: DRAINED}, LONG)
    assert report.changed and report.in_sync
    assert report.shifts[world.first].before == THIRDS
    assert (await world.dns.read())[world.first] == report.shifts[world.first].after == HALVES


async def test_a_change_without_effect_is_found_by_the_next_steering(world: World) -> None:
    """The API said yes and did nothing: the next one sees it, and puts it right."""
    await world.weather.ignore_change()
    await world.dns.steer({world.first: DRAINED}, LONG)
    await world.weather.heal()
    await world.dns.steer({world.first: DRAINED}, LONG)
    assert (await world.dns.read())[world.first] == HALVES


async def test_a_short_storm_of_throttling_is_ridden_out(world: World) -> None:
    """Requests that are turned away are repeated within the deadline."""
    await world.weather.throttle(3)
    report = await world.dns.steer({world.first: DRAINED, world.second: DRAINED}, LONG)
    assert report.changed and report.in_sync and not report.refused


async def test_a_long_storm_ends_at_the_deadline(world: World) -> None:
    """Throttling that does not end is Transient when the deadline is over, and nothing was changed."""
    await world.weather.throttle(1000)
    with paced(world.now) as pace, pytest.raises(Transient):
        await world.dns.steer({world.first: DRAINED}, SHORT)
    assert pace.took <= SHORT + LATE + pace.stalled
    await world.weather.heal()
    assert (await world.dns.read())[world.first] == THIRDS


async def test_a_hanging_authority_costs_the_deadline_and_no_more(world: World) -> None:
    """An API that accepts and never answers is Transient at the deadline, and works again once it is healed."""
    await world.weather.hang()
    with paced(world.now) as pace, pytest.raises(Transient):
        await world.dns.steer({world.first: DRAINED}, SHORT)
    assert SHORT - timedelta(seconds=0.05) <= pace.took <= SHORT + LATE + pace.stalled
    await world.weather.heal()
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync


async def test_an_authority_that_lies_is_one_that_does_not_answer(world: World) -> None:
    """A proxy's page with status 200 instead of an answer: Transient within the deadline, nothing changed, well again once healed."""
    await world.weather.lie()
    with pytest.raises(Transient):
        await world.dns.read()
    with paced(world.now) as pace, pytest.raises(Transient):
        await world.dns.steer({world.first: DRAINED}, SHORT)
    assert pace.took <= SHORT + LATE + pace.stalled
    await world.weather.heal()
    assert (await world.dns.read())[world.first] == THIRDS
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync


async def finish(world: World, told: object, error: type[Exception]) -> None:
    """Of both groups that were to be drained, what was said to stand does; healed, the next steering does the rest."""
    await world.weather.heal()
    held, both = await world.dns.read(), {world.first: DRAINED, world.second: DRAINED}
    if isinstance(told, SteeringReport):
        assert all(held[group] == pytest.approx(shift.after) for group, shift in told.shifts.items())
        assert told.shifts.keys() | told.refused.keys() == both.keys()
    else:
        assert isinstance(told, error)
    assert (await world.dns.steer(both, LONG)).in_sync
    held = await world.dns.read()
    assert held[world.first] == held[world.second] == HALVES


async def test_what_fails_midway_is_finished_by_asking_again(world: World) -> None:
    """Whatever the first call says then stands; what it could not do, the next one does."""
    both = {world.first: DRAINED, world.second: DRAINED}
    await world.fail_midway()
    told = (await asyncio.gather(world.dns.steer(both, SHORT), return_exceptions=True))[0]
    await finish(world, told, Transient)


# ------------------------------------------------------------------------------------------------ who asks when


async def test_of_two_steerings_at_once_the_later_asked_holds(world: World) -> None:
    """The first is turned away once, and would try again behind the second: it leaves its group out, and the second told the truth."""
    await world.weather.throttle(1)
    older = world.dns.steer({world.first: {GCP: 1.0}, world.second: {GCP: 1.0}}, LONG)
    newer = world.dns.steer({world.first: DRAINED}, LONG)
    first, second = await asyncio.gather(older, newer)
    assert set(first.shifts) == {world.second}, "the other group was not asked for again"
    assert "meanwhile" in first.refused[world.first]
    assert second.in_sync and set(second.shifts) == {world.first}
    held = await world.dns.read()
    assert held[world.first] == HALVES
    assert held[world.second] == {AWS: 0.0, AZURE: 0.0, GCP: 1.0}
    again = await world.dns.steer({world.first: {GCP: 1.0}}, LONG)
    assert again.changed, "asked for again, they are meant again"


async def test_a_change_under_way_is_not_overtaken_when_its_caller_gives_up(world: World) -> None:
    """Cancelled with its change on the way: a later steering back to what was there waits, or the change would arrive last and stand."""
    await world.weather.delay_change(0.4)
    sent = await world.changes()
    older = asyncio.create_task(world.dns.steer({world.first: DRAINED}, LONG))
    await world.change_under_way(sent)
    older.cancel()
    with pytest.raises(asyncio.CancelledError):
        await older
    assert not (await world.dns.steer({world.first: ALL}, LONG)).refused
    await world.weather.heal()
    await asyncio.sleep(0.5)
    assert (await world.dns.read())[world.first] == THIRDS


async def test_a_change_under_way_holds_up_no_other_group(world: World) -> None:
    """A caretaker's change is on its way for longer than a failover of another group has time: that one does not wait for it."""
    await world.weather.delay_change(4)
    sent = await world.changes()
    older = asyncio.create_task(world.dns.steer({world.second: DRAINED}, LONG))
    await world.change_under_way(sent)
    assert set((await world.dns.steer({world.first: DRAINED}, SPENT)).shifts) == {world.first}
    assert set((await older).shifts) == {world.second}
    held = await world.dns.read()
    assert held[world.first] == held[world.second] == HALVES


async def test_in_sync_is_waited_for_and_not_assumed(world: World) -> None:
    """In sync is said after the propagation time only; a shorter deadline is answered honestly, a later call settles it."""
    began = world.now()
    assert (await world.dns.steer({world.first: DRAINED}, LONG)).in_sync
    assert world.now() - began >= world.propagation
    early = await world.dns.steer({world.first: ALL}, max(world.propagation / 2, SHORT / 2))
    assert early.changed
    assert early.in_sync or world.propagation
    late = await world.dns.steer({world.first: ALL}, LONG)
    assert late.in_sync and not late.changed


async def test_what_somebody_changed_by_hand_is_put_right(world: World) -> None:
    """Weights that were changed past the adapter show up in a read, and the next steering corrects them."""
    await world.dns.steer({world.first: DRAINED}, LONG)
    await world.set_by_hand(world.first, AZURE, 1.0)
    assert (await world.dns.read())[world.first][AZURE] > 0
    report = await world.dns.steer({world.first: DRAINED}, LONG)
    assert report.changed
    assert (await world.dns.read())[world.first] == HALVES


async def test_two_controllers_at_once_leave_what_the_next_one_settles(world: World) -> None:
    """No authority knows who is newer: both may be told that theirs stands, and whoever asks next finds and mends what is left."""
    other = world.another()
    for _ in range(3):
        await asyncio.gather(
            world.dns.steer({world.first: {AWS: 1.0}}, LONG),
            other.steer({world.first: {GCP: 1.0}}, LONG),
            return_exceptions=True,
        )
        await other.steer({world.first: DRAINED}, LONG)
        assert (await world.dns.read())[world.first] == HALVES


# ------------------------------------------------------------------------------------------------ bad input


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
async def test_weights_that_cannot_be_meant_are_refused_before_anything_is_asked(
    world: World, weights: Mapping[Site, float], guard: str
) -> None:
    """All zero would be answered as all equal; it is refused with its way out, and the records stay."""
    asked = world.dns.calls
    with pytest.raises(Refused) as refusal:
        await world.dns.steer({world.first: weights}, LONG)
    assert refusal.value.guard == guard
    assert refusal.value.way_out
    assert world.dns.calls == asked


async def test_one_group_that_cannot_be_meant_holds_back_no_other(world: World) -> None:
    """Unusable ratios, and a group nobody knows, are refused by name beside one that is steered."""
    report = await world.dns.steer({UNKNOWN: ALL, world.second: {AWS: -1.0}, world.first: DRAINED}, LONG)
    assert set(report.refused) == {UNKNOWN, world.second}
    assert "unknown" in report.refused[UNKNOWN]
    held = await world.dns.read()
    assert held[world.first] == HALVES
    assert held[world.second] == THIRDS


async def test_a_group_whose_record_is_somebody_elses_is_refused_by_name(world: World) -> None:
    """It is told, nothing of it is touched, and the other group is steered all the same."""
    await world.take(world.second)
    report = await world.dns.steer({world.second: DRAINED, world.first: DRAINED}, LONG)
    assert set(report.refused) == {world.second}
    assert world.second in report.refused[world.second]
    assert set(report.shifts) == {world.first}
    assert (await world.dns.read())[world.first] == HALVES
    alone = await world.dns.steer({world.second: DRAINED}, LONG)
    assert world.second in alone.refused, "it is still there"
    assert not alone.in_sync, "nothing stands that could be"


async def test_a_site_without_record_or_address_is_refused(world: World) -> None:
    """Traffic cannot be sent to a place nobody knows; the group stays as it is, and the other one is steered."""
    report = await world.dns.steer({world.second: {ELSEWHERE: 1.0}, world.first: DRAINED}, LONG)
    assert ELSEWHERE in report.refused[world.second]
    held = await world.dns.read()
    assert held[world.first] == HALVES
    assert held[world.second] == THIRDS


async def test_missing_permission_is_denied_and_changes_nothing(world: World) -> None:
    """Denied at once, whether already reading is not permitted or only changing."""
    await world.weather.deny()
    with pytest.raises(Denied):
        await world.dns.read()
    await world.weather.deny_changes()
    with pytest.raises(Denied):
        await world.dns.steer({world.first: DRAINED, world.second: DRAINED}, LONG)
    await world.weather.heal()
    held = await world.dns.read()
    assert held[world.first] == held[world.second] == THIRDS


async def test_credentials_that_expire_midway_are_told_and_what_stands_is_finished_with_new_ones(world: World) -> None:
    """The first change is on its way when everything begins to be denied: nothing is said to stand that does not."""
    both = {world.first: DRAINED, world.second: DRAINED}
    await world.weather.delay_change(0.2)
    sent = await world.changes()
    steering = asyncio.create_task(world.dns.steer(both, LONG))
    await world.change_under_way(sent)
    await world.weather.deny()
    (told,) = await asyncio.gather(steering, return_exceptions=True)
    await finish(world, told, Denied)


async def test_a_zone_that_does_not_exist_is_unsupported(world: World) -> None:
    """Somebody has to mend the settings, and is told what nobody knows there: no retry makes it exist."""
    with pytest.raises(Unsupported, match=r"(?i)nowhere"):
        await world.elsewhere().steer({world.first: DRAINED}, LONG)
