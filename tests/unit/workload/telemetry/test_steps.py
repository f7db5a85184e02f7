"""Steps know what they are in, how they ended, and when they are not wanted."""

import asyncio

import pytest

from tests.unit.workload.telemetry.requests import WALL, Clock
from workload.telemetry.numbers import hides_number
from workload.telemetry.steps import MOST_STEPS, NOTHING, Step, Trail, draw_id, follow, here, note, step


def trail(clock: Clock) -> Trail:
    """Of a request that begins now."""
    return Trail(trace=7, caller=None, sampled=False, clock=clock.steady, wall=clock.wall())


def test_without_a_request_a_step_is_nothing() -> None:
    """No object is made, notes go nowhere, and exceptions pass."""
    assert step("barrier") is NOTHING is step("statement", site="aws")
    note(site="aws")
    with pytest.raises(ValueError, match="mine"), step("barrier") as nothing:
        nothing.note(site="aws")
        raise ValueError("mine")
    assert here() is None


def test_steps_know_what_they_are_in_and_when_they_were() -> None:
    """Parents, times on the wall, notes."""
    clock = Clock()
    seen = trail(clock)
    with follow(seen, "request") as request:
        clock.passes(1)
        with step("database", site="azure") as database:
            with step("statement") as statement:
                clock.passes(2)
            note(confirmed_by="writer")
        clock.passes(3)
    assert isinstance(statement, Step) and isinstance(database, Step)
    assert [one.name for one in seen.steps] == ["statement", "database", "request"]
    assert (statement.parent, database.parent, request.parent) == (database, request, None)
    assert database.notes == {"site": "azure", "confirmed_by": "writer"}
    assert [seen.at(moment) - WALL for moment in (request.began, database.began, database.ended, request.ended)] == [
        5_000_000_000, 5_001_000_000, 5_003_000_000, 5_006_000_000,
    ]  # fmt: skip
    assert here() is None


def test_the_outcome_is_a_type_and_never_a_message() -> None:
    """A message may quote what a client sent."""
    seen = trail(Clock())
    with pytest.raises(ValueError, match="4111"), follow(seen, "request"), step("barrier"):
        raise ValueError("4111111111111111")
    assert [one.outcome for one in seen.steps] == ["ValueError", "ValueError"]
    assert all("4111" not in str(value) for one in seen.steps for value in (one.name, one.outcome, *one.notes.values()))


async def test_tasks_of_one_request_do_not_mix_their_steps() -> None:
    """Two calls at once are both inside the request, and neither is inside the other."""
    seen = trail(Clock())

    async def call(name: str) -> None:
        with step(name):
            await asyncio.sleep(0)
            with step(f"{name} inside"):
                await asyncio.sleep(0)

    with follow(seen, "request") as request:
        await asyncio.gather(call("vault"), call("screening"))
    parents = {one.name: one.parent.name for one in seen.steps if one.parent is not None}
    assert parents == {
        "vault": request.name, "screening": request.name, "vault inside": "vault", "screening inside": "screening",
    }  # fmt: skip


async def test_requests_do_not_see_each_other() -> None:
    """Each has its own steps."""
    trails = [trail(Clock()) for _ in range(3)]

    async def serve(one: Trail) -> None:
        with follow(one, "request"):
            await asyncio.sleep(0)
            with step("barrier"):
                await asyncio.sleep(0)

    await asyncio.gather(*map(serve, trails))
    assert [[one.name for one in seen.steps] for seen in trails] == [["barrier", "request"]] * 3


async def test_what_outlives_its_request_changes_nothing() -> None:
    """A poll of the barrier that a request began for everybody ends after it: the steps may be on their way already."""
    seen, over = trail(Clock()), asyncio.Event()

    async def poll() -> None:
        with step("late"):
            await over.wait()

    with follow(seen, "request"):
        task = asyncio.create_task(poll())
        await asyncio.sleep(0)
    over.set()
    await task
    assert [one.name for one in seen.steps] == ["request"]


def test_a_loop_that_went_wrong_does_not_fill_the_memory() -> None:
    """Further steps are counted, and the request itself is always there."""
    seen = trail(Clock())
    with follow(seen, "request"):
        for _ in range(MOST_STEPS + 10):
            with step("again"):
                pass
    assert (len(seen.steps), seen.dropped, seen.steps[-1].name) == (MOST_STEPS + 1, 10, "request")


def test_ids_are_drawn_once_and_only_when_asked_for() -> None:
    """Different for every step, never zero, and none that looks like what it must not."""
    seen = trail(Clock())
    with follow(seen, "request") as request, step("barrier") as barrier:
        pass
    assert isinstance(barrier, Step)
    assert request.id == request.id != barrier.id
    ids = [draw_id(64) for _ in range(2000)]
    assert all(ids) and len(set(ids)) == len(ids)
    assert not any(hides_number(f"{id:016x}") for id in ids)
