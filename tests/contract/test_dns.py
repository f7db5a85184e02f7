"""What every DNS authority promises: the shipped fake and Route 53's adapter against the emulated API pass the same suite."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from controller.core.model import Site
from controller.errors import Conflict, Refused, Transient
from tests.contract.dns_worlds import (
    ALL,
    AWS,
    AZURE,
    DRAINED,
    GCP,
    LONG,
    PROPAGATION,
    SHORT,
    MemoryWorld,
    Route53World,
    World,
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


async def test_an_authority_that_lies_is_one_that_does_not_answer(world: World) -> None:
    """A proxy's page with status 200 instead of an answer: Transient within the deadline, nothing changed, well again once healed."""
    await world.dns.steer(ALL, LONG)
    await world.lie()
    with pytest.raises(Transient):
        await world.dns.read()
    started = world.now()
    with pytest.raises(Transient):
        await world.dns.steer(DRAINED, SHORT)
    assert world.now() - started <= SHORT + timedelta(seconds=0.2)
    await world.heal()
    assert await world.dns.read() == pytest.approx(dict.fromkeys(ALL, 1 / 3))
    assert (await world.dns.steer(DRAINED, LONG)).in_sync


async def test_of_two_steerings_at_once_the_later_asked_holds(world: World) -> None:
    """The first is turned away once, and would try again behind the second: it gives up instead, and the second told the truth."""
    await world.dns.steer(ALL, LONG)
    await world.throttle(1)
    older, newer = world.dns.steer({GCP: 1.0}, LONG), world.dns.steer(DRAINED, LONG)
    first, second = await asyncio.gather(older, newer, return_exceptions=True)
    assert isinstance(first, Conflict)
    assert not isinstance(second, BaseException)
    assert second.in_sync
    assert await world.dns.read() == second.after == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}
    assert (await world.dns.steer({GCP: 1.0}, LONG)).changed, "asked for again, they are meant again"


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
