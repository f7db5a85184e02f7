"""A drill's entries get into the journal whatever else is written there, and everything in between is told as a drill."""

from datetime import timedelta

import pytest

from controller.core.drilling import DRILL_BEGUN, DRILL_ENDED, begun, ended
from controller.core.messages import DRILL
from controller.errors import Refused
from controller.marking import mark
from controller.ports import Control, Draft
from controller.providers.memory.coordination import coordination
from tests.unit.telling_office import SERVICE, Office, office


def begins(given: Office) -> Draft:
    """kim's, for twenty seconds."""
    body = begun("game day", by="kim", reason="practice", at=given.clock.now(), lasts=timedelta(seconds=20))
    return Draft(kind=DRILL_BEGUN, body=body)


async def test_what_happens_between_the_marks_is_told_as_a_drill() -> None:
    """And what happens after them is not."""
    async with office() as given:
        await mark(given.writer, SERVICE, begins(given))
        await given.write("rebuilt", sentence="in it")
        await mark(given.writer, SERVICE, Draft(kind=DRILL_ENDED, body=ended("game day", by="kim", reason="done")))
        await given.write("rebuilt", sentence="after it")
        await given.live(3)
        told = [(one.why, one.headline.startswith(DRILL)) for one in given.receivers["pager"].came]
    assert [marked for _, marked in told] == [True, True, True, False]
    assert "practice (kim)" in told[0][0] and [why for why, _ in told[1::2]] == ["in it", "after it"]


async def test_a_drill_whose_end_nobody_wrote_is_over_when_it_was_to_be() -> None:
    """Friday's drill must not mark Sunday's failover."""
    async with office() as given:
        await mark(given.writer, SERVICE, begins(given))
        await given.live(21)
        await given.write("rebuilt", sentence="in truth")
        await given.live(3)
        assert [one.headline.startswith(DRILL) for one in given.receivers["pager"].came] == [True, False]


async def test_a_mark_is_written_although_somebody_else_writes_all_the_time() -> None:
    """Two journal something between its look and its write; the third time nobody does."""
    async with office() as given:
        store, _ = coordination(given.etcd, "drill")
        read, left = store.read, 2

        class Crowded:
            """etcd, at which somebody else is first twice."""

            def __getattr__(self, name: str) -> object:
                return getattr(store, name)

            async def read(self, service: str) -> Control | None:
                nonlocal left
                found = await read(service)
                if left:
                    left -= 1
                    control = await given.control()
                    await given.writer.commit(control, posture=control.posture, journal=[Draft(kind="x", body={})])
                return found

        await mark(Crowded(), SERVICE, begins(given))  # type: ignore[arg-type]
        kinds = [entry.kind for entry in await given.writer.journal(SERVICE)]
        assert left == 0 and kinds.count(DRILL_BEGUN) == 1 and kinds[-1] == DRILL_BEGUN


async def test_a_service_that_was_never_founded_is_refused() -> None:
    """Its journal would begin with a drill."""
    async with office() as given:
        with pytest.raises(Refused, match="one that was founded"):
            await mark(given.writer, "vault", begins(given))
