"""What providers say is asked for in calm, told with its age, unknown when it is, and seen by nothing that decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import Any, get_args, get_type_hints

from structlog.testing import capture_logs

from controller.core import decide as deciding
from controller.core.model import Site
from controller.ports import ProviderFacts
from controller.provider_watch import APART, ASK_EVERY, PATIENCE, Heard, ProviderWatch, Subject, calm
from controller.providers.memory.capacity import MemoryCapacity
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.managed import REPLICA, MemoryManagedDatabase, MemoryServerOffice
from tests.unit.core.worlds import AWS, AZURE, GCP

OWN = replace(REPLICA, replica_of=None)
SECOND = timedelta(seconds=1)


def server(clock: SteppedClock, site: Site, told: ProviderFacts | None = OWN) -> MemoryManagedDatabase:
    """One server of its own."""
    return MemoryManagedDatabase(site=site, clock=clock, server=MemoryServerOffice(told=told))


@asynccontextmanager
async def watching(clock: SteppedClock, **asked: Any) -> AsyncIterator[ProviderWatch]:
    """A watch that runs, and has asked once."""
    watch = ProviderWatch(service="payments", clock=clock, **asked)
    task = asyncio.create_task(watch.run())
    with capture_logs():
        try:
            await clock.advance(SECOND)
            yield watch
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_what_was_answered_is_told_with_its_age() -> None:
    """Servers, replicas and instances, each asked once in half a minute and no more."""
    clock = SteppedClock()
    capacity = MemoryCapacity(site=GCP, clock=clock, floors={"payments": 1})
    asked = {"servers": {AWS: server(clock, AWS)}, "replicas": {AZURE: server(clock, AZURE, REPLICA)}}
    async with watching(clock, **asked, capacities={GCP: capacity}) as watch:
        await clock.advance(ASK_EVERY - 5 * SECOND)
        heard = watch.heard()
        assert {key: one.told for key, one in heard.items()} == {
            (AWS, Subject.SERVER): OWN,
            (AZURE, Subject.REPLICA): REPLICA,
            (GCP, Subject.INSTANCES): 1,
        }
        ages = [one.age for one in heard.values()]
        assert ages == [ASK_EVERY - 4 * SECOND - place * APART for place in range(3)]
        assert all(one.known and not one.because for one in heard.values())
        assert capacity.calls == 1
        await clock.advance(10 * SECOND)
        assert capacity.calls == 2 and all((one.age or ASK_EVERY) < 10 * SECOND for one in watch.heard().values())


async def test_a_provider_that_cannot_be_asked_is_unknown_and_says_why() -> None:
    """The last answer is told for a while, growing older; then nothing is known, which is neither good nor bad."""
    clock = SteppedClock()
    asked = server(clock, AWS)
    async with watching(clock, servers={AWS: asked}) as watch:
        asked.server.denied = True
        await clock.advance(ASK_EVERY + SECOND)
        one = watch.heard()[AWS, Subject.SERVER]
        assert one.known and one.told == OWN and "credentials are missing" in one.because
        await clock.advance(watch.believed_for)
        one = watch.heard()[AWS, Subject.SERVER]
        assert not one.known and one.age is not None and one.age > watch.believed_for


async def test_never_asked_is_unknown_and_has_no_age() -> None:
    """Before the first answer nothing is claimed."""
    clock = SteppedClock()
    asked = server(clock, AWS)
    asked.server.throttled = 1000
    async with watching(clock, servers={AWS: asked}) as watch:
        one = watch.heard()[AWS, Subject.SERVER]
        assert (one.known, one.age, one.told) == (False, None, None) and "throttled" in one.because


async def test_a_provider_that_hangs_holds_back_no_other() -> None:
    """One API is a black hole: the others are asked at their own pace, and it is asked again."""
    clock = SteppedClock()
    silent, well = server(clock, AWS), server(clock, GCP)
    silent.server.hanging = True
    async with watching(clock, servers={AWS: silent, GCP: well}) as watch:
        await clock.advance(3 * ASK_EVERY)
        heard = watch.heard()
        assert heard[GCP, Subject.SERVER].known and not heard[AWS, Subject.SERVER].known
        silent.server.hanging = False
        await clock.advance(ASK_EVERY + PATIENCE)
        assert watch.heard()[AWS, Subject.SERVER].known


async def test_what_never_had_an_answer_is_asked_again_sooner() -> None:
    """A controller that starts beside a lost packet does not tell `unknown` for a whole round; afterwards there is time."""
    clock = SteppedClock()
    lost = server(clock, AWS)
    lost.server.throttled = 1
    async with watching(clock, servers={AWS: lost}) as watch:
        assert not watch.heard()[AWS, Subject.SERVER].known
        await clock.advance(ASK_EVERY / 5)
        assert watch.heard()[AWS, Subject.SERVER].known and lost.server.throttled == 0
        lost.server.throttled = 10
        await clock.advance(2 * ASK_EVERY)
        assert lost.server.throttled == 8


class Deaf(MemoryManagedDatabase):
    """An adapter that knows no deadline."""

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """Not before tomorrow."""
        await asyncio.Event().wait()
        return None


async def test_an_adapter_that_keeps_no_deadline_is_given_up() -> None:
    """And is asked again, by one question at a time."""
    clock = SteppedClock()
    async with watching(clock, servers={AWS: Deaf(site=AWS, clock=clock)}) as watch:
        before = len(asyncio.all_tasks())
        await clock.advance(5 * ASK_EVERY)
        assert watch.heard()[AWS, Subject.SERVER].because == "no answer within 6 s"
        assert len(asyncio.all_tasks()) <= before


async def test_many_services_are_asked_about_at_a_pace_that_leaves_requests_to_a_failover() -> None:
    """A thousand services with a server at every site: five questions a second, each in its turn; few are asked about twice a minute."""
    assert calm(9) == ASK_EVERY and calm(3000) == timedelta(minutes=10)
    clock = SteppedClock()
    late = server(clock, AWS)
    async with watching(clock, servers={AWS: late}, every=calm(3000), begins=100 * APART) as watch:
        await clock.advance(100 * APART - 2 * SECOND)
        assert watch.heard()[AWS, Subject.SERVER].age is None
        await clock.advance(2 * SECOND)
        assert watch.heard()[AWS, Subject.SERVER].known
        await clock.advance(calm(3000) - 5 * SECOND)
        one = watch.heard()[AWS, Subject.SERVER]
        assert one.known and one.age is not None and one.age > 10 * ASK_EVERY


class Stumbling(MemoryManagedDatabase):
    """An adapter that is wrong about what its vendor says."""

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """See `ports.ManagedDatabase`."""
        raise KeyError("DBInstances")


async def test_what_an_adapter_stumbles_over_ends_no_controller() -> None:
    """It is unknown, like what could not be asked."""
    clock = SteppedClock()
    async with watching(clock, servers={AWS: Stumbling(site=AWS, clock=clock), GCP: server(clock, GCP)}) as watch:
        await clock.advance(ASK_EVERY)
        heard = watch.heard()
        assert "KeyError" in heard[AWS, Subject.SERVER].because and heard[GCP, Subject.SERVER].known


# ------------------------------------------------------------------------------------------------ static stability


def reachable(kind: Any, seen: set[Any]) -> set[Any]:
    """Every type that a value of this one can hold, however deep."""
    for inner in get_args(kind):
        reachable(inner, seen)
    if isinstance(kind, type) and kind not in seen:
        seen.add(kind)
        if is_dataclass(kind):
            hints = get_type_hints(kind)
            for field in fields(kind):
                reachable(hints[field.name], seen)
    return seen


def test_decide_cannot_see_what_providers_say() -> None:
    """Nothing that it is given can hold a provider's word: a failover can neither wait for one nor depend on one."""
    hints = get_type_hints(deciding.decide)
    seen: set[Any] = set()
    for name, kind in hints.items():
        if name != "return":
            reachable(kind, seen)
    names = {kind.__name__ for kind in seen}
    assert {"Snapshot", "NodeFacts", "Observation", "Posture", "Policy", "Plan"} <= names, "the walk reaches what decide is given"
    assert not names & {"ProviderFacts", "Heard", "ProviderWatch", "ManagedDatabase", "Capacity"}


def test_the_walk_would_find_them() -> None:
    """The test above is able to fail."""
    assert {"ProviderFacts", "Heard"} <= {one.__name__ for one in reachable(Heard, set())}
