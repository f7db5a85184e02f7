"""All limits together: who is let in, who waits, who is sent away and why."""

import asyncio
import math
from typing import Any

import pytest

from workload.limits.door import Ending
from workload.limits.limits import Limits, Visit
from workload.limits.rank import Rank
from workload.limits.refusal import Kind, Refusal
from workload.limits.request import Asked
from workload.limits.settings import LimitTable

pytestmark = pytest.mark.asyncio

ONE = {"first": 1, "lowest": 1, "highest": 1}
BLINK = {"patience": 0.005}


class Room:
    """Limits with a clock of their own, and what they counted and asked."""

    def __init__(self, known: frozenset[str] = frozenset(), **table: Any) -> None:
        self.now = 100.0
        self.refused_ones: list[tuple[Kind, Rank]] = []
        self.questions: list[str] = []
        self.known = known
        self.hold = asyncio.Event()
        self.hold.set()
        settings = LimitTable.model_validate({"patience": 5, **table})
        self.limits = Limits(
            settings,
            monotonic=lambda: self.now,
            chance=lambda: 0.5,
            counts=self,
            knowledge=self,
            parts=("/v1/tokens/{token}/subject",),
        )

    def refused(self, kind: Kind, rank: Rank) -> None:
        self.refused_ones.append((kind, rank))

    def served(self, rank: Rank, seconds: float) -> None: ...

    async def knows(self, key: str) -> bool:
        self.questions.append(key)
        await self.hold.wait()
        return key in self.known

    async def enter(self, key: str | None = None, **more: Any) -> Visit | Refusal:
        ends_at = self.now + more.pop("deadline", math.inf)
        asked = Asked(**{"method": "POST", "path": "/v1/payments", "key": key, **more})
        ranked = self.limits.admit(asked)
        return ranked if isinstance(ranked, Refusal) else await self.limits.enter(asked, ranked, ends_at)

    async def must_enter(self, key: str | None = None, **more: Any) -> Visit:
        visit = await self.enter(key, **more)
        assert isinstance(visit, Visit)
        return visit

    def waits(self, key: str | None = None, **more: Any) -> "asyncio.Task[Visit | Refusal]":
        return asyncio.create_task(self.enter(key, **more))

    async def done(self, wait: "asyncio.Task[Visit | Refusal]") -> Visit:
        visit = await wait
        assert isinstance(visit, Visit)
        return visit

    def leave(self, visit: Visit, ending: Ending = Ending.ANSWERED, *, in_vain: bool = False) -> None:
        self.limits.leave(visit, ending, in_vain=in_vain)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def kind_of(wait: "asyncio.Task[Visit | Refusal]") -> Kind:
    """Why it was sent away."""
    found = await wait
    assert isinstance(found, Refusal)
    return found.kind


async def test_a_client_that_asks_too_often_is_told_so_and_no_other() -> None:
    """And when to come back, by its own bucket."""
    room = Room(client_header="who", client={"per_second": 0.5, "burst": 2})
    for _ in range(2):
        await room.must_enter(client="a")
    refusal = await room.enter(client="a")
    assert isinstance(refusal, Refusal) and refusal.kind is Kind.CLIENT and refusal.retry_after >= 2
    await room.must_enter(client="b")
    await room.must_enter(client=None)


async def test_the_rate_of_all_spares_retries_of_what_was_begun() -> None:
    """The common bucket is empty; a payment that may have been made is finished all the same."""
    room = Room(overall={"per_second": 1, "burst": 1})
    first = await room.must_enter("k")
    room.leave(first)
    assert await kind_of(room.waits("other")) is Kind.OVERALL
    assert (await room.must_enter("k")).rank is Rank.KNOWN


async def test_a_retry_goes_before_whoever_came_earlier() -> None:
    """Of a payment that was accepted, whose client has not heard of it."""
    room = Room(**ONE)
    room.leave(await room.must_enter("k"))
    inside = await room.must_enter("other")
    new, retry = room.waits("new"), room.waits("k")
    await settle()
    room.leave(inside)
    await settle()
    assert retry.done() and not new.done()
    room.leave(await room.done(retry))
    await new


PART = {"method": "GET", "path": "/v1/tokens/4f/subject"}


async def test_a_part_of_another_services_work_goes_behind_retries_and_before_first_attempts() -> None:
    """A payment waits for the answer. But whoever asks for that path goes before, whoever it is: the door is behind the limits."""
    room = Room(**ONE)
    room.leave(await room.must_enter("k"))
    inside = await room.must_enter("other")
    line = [room.waits("new"), room.waits(**PART), room.waits("k")]
    for first in reversed(line):
        await settle()
        assert not first.done()
        room.leave(inside)
        inside = await room.done(first)
    assert [(await one).rank for one in reversed(line)] == [Rank.KNOWN, Rank.PART, Rank.NEW]  # type: ignore[union-attr]


async def test_a_part_of_another_services_work_is_within_the_rate_of_all() -> None:
    """Or one client's mistake would go past it; and no key that comes with it is taken for one of something that was begun."""
    room = Room(overall={"per_second": 1, "burst": 1})
    room.leave(await room.must_enter("k", **PART))
    assert await kind_of(room.waits(**PART)) is Kind.OVERALL
    assert await kind_of(room.waits("k")) is Kind.OVERALL


async def test_a_payment_that_certainly_did_not_happen_is_a_new_wish() -> None:
    """It has no more right than others; one that met the crash keeps its right when its retries are refused."""
    room = Room()
    room.leave(await room.must_enter("refused"), Ending.FAILED, in_vain=True)
    assert (await room.must_enter("refused")).rank is Rank.NEW
    room.leave(await room.must_enter("unknown"), Ending.FAILED)
    room.leave(await room.must_enter("unknown"), Ending.FAILED, in_vain=True)
    assert (await room.must_enter("unknown")).rank is Rank.KNOWN


async def test_a_stranger_that_says_it_comes_again_is_looked_up_only_under_pressure() -> None:
    """Its site is gone, its payment may be made: the database beside this process knows. In calm nobody is asked."""
    room = Room(known=frozenset({"made"}), **ONE)
    calm = await room.must_enter("made", is_retry=True)
    assert (room.questions, calm.rank) == ([], Rank.NEW)
    first, made, lied = room.waits("new"), room.waits("made elsewhere", is_retry=True), room.waits("never", is_retry=True)
    room.known = frozenset({"made elsewhere"})
    await settle()
    assert room.questions == ["made elsewhere", "never"]
    room.leave(calm)
    await settle()
    assert (made.done(), first.done(), lied.done()) == (True, False, False)
    for wait in (made, first, lied):
        room.leave(await room.done(wait))


async def test_a_stranger_is_looked_up_also_when_only_the_rate_of_all_refuses_it() -> None:
    """There are places, and no token: what was accepted elsewhere is finished here, what was not is told to come later."""
    room = Room(known=frozenset({"made"}), overall={"per_second": 1, "burst": 1})
    room.leave(await room.must_enter("other"))
    assert (await room.must_enter("made", is_retry=True)).rank is Rank.KNOWN
    assert await kind_of(room.waits("never", is_retry=True)) is Kind.OVERALL
    assert room.questions == ["made", "never"]


async def test_whoever_finds_no_place_spends_no_token_of_all() -> None:
    """Or those who are sent away for want of places would send away others when there are places again."""
    room = Room(queue=0, overall={"per_second": 1, "burst": 2}, **ONE)
    inside = await room.must_enter("a")
    for _ in range(5):
        assert await kind_of(room.waits("b")) is Kind.FULL
    room.leave(inside)
    await room.must_enter("b")


async def test_who_was_told_twice_is_not_told_before_others_again() -> None:
    """Asking for an old answer in a loop costs what a new payment costs, also when it says that it comes again."""
    room = Room(known=frozenset({"k"}), **ONE)
    for rank in (Rank.NEW, Rank.KNOWN, Rank.NEW, Rank.NEW):
        visit = await room.must_enter("k")
        assert visit.rank is rank
        room.leave(visit)
    await room.must_enter("other")
    again, retry = room.waits("k", is_retry=True), room.waits("x", is_retry=True)
    await settle()
    assert room.questions == ["x"]
    for wait in (again, retry):
        wait.cancel()


async def test_who_was_refused_twice_is_not_served_before_others_again() -> None:
    """One key for every order: each is told that the key is another's, and each would be first in line for ever, past the rate of all."""
    room = Room(**ONE)
    room.leave(await room.must_enter("k"))
    for rank in (Rank.KNOWN, Rank.NEW):
        visit = await room.must_enter("k")
        assert visit.rank is rank
        room.leave(visit, Ending.REFUSED, in_vain=True)


async def test_few_questions_are_asked_at_once() -> None:
    """A storm of retries must not become a storm of questions: the others wait in line as new ones."""
    room = Room(questions=2, **ONE)
    inside = await room.must_enter("k")
    room.hold.clear()
    waits = [room.waits(f"retry {number}", is_retry=True) for number in range(20)]
    await settle()
    assert (len(room.questions), room.limits.waiting) == (2, 18)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    room.leave(inside)
    assert room.limits.inside == 0


async def test_a_full_queue_sheds_lists_before_payments_before_retries() -> None:
    """Each is told at once that it is not its turn."""
    room = Room(queue=1, **ONE)
    room.leave(await room.must_enter("k"))
    await room.must_enter("other")
    listed = room.waits(method="GET")
    await settle()
    new = room.waits("new")
    assert await kind_of(listed) is Kind.FULL
    retry = room.waits("k")
    assert await kind_of(new) is Kind.FULL
    assert await kind_of(room.waits("another")) is Kind.FULL
    assert room.refused_ones == [(Kind.FULL, Rank.LIST), (Kind.FULL, Rank.NEW), (Kind.FULL, Rank.NEW)]
    retry.cancel()


async def test_whoever_checks_the_service_goes_before_everybody() -> None:
    """A controller's canary in a crowd: no rate holds it back and no retry is before it; nobody else is taken for one."""
    room = Room(client_header="who", checkers=["controller"], client={"per_second": 0.1, "burst": 1}, **ONE)
    room.leave(await room.must_enter("k"))
    inside = await room.must_enter("other", client="controller")
    retry, canary = room.waits("k"), room.waits("canary", client="controller")
    await settle()
    room.leave(inside)
    await settle()
    assert canary.done() and not retry.done()
    room.leave(await room.done(canary))
    assert (await room.done(retry)).rank is Rank.KNOWN


async def test_nobody_waits_longer_than_its_patience() -> None:
    """No place in time: told so, and out of the queue."""
    room = Room(**ONE, **BLINK)
    await room.must_enter()
    assert await kind_of(room.waits()) is Kind.PATIENCE
    assert room.limits.waiting == 0


async def test_whoever_has_given_up_is_not_served() -> None:
    """Its deadline is over before it could be begun: while it waited, or already when it came, places or not."""
    room = Room(**ONE)
    assert await kind_of(room.waits(deadline=0.0)) is Kind.DEADLINE
    await room.must_enter()
    assert await kind_of(room.waits(deadline=0.005)) is Kind.DEADLINE
    assert room.limits.waiting == 0


async def test_short_deadlines_never_shut_a_service_for_ever() -> None:
    """It was slow once, and every client gives less time than that: it is tried all the same, or it would never be seen to be fast."""
    room = Room()
    room.limits._limit.base = 3.0
    await room.must_enter(deadline=0.5)


async def test_a_request_that_is_cancelled_leaves_no_place_taken() -> None:
    """Waiting, or at the very moment at which a place was given to it."""
    room = Room(**ONE)
    inside = await room.must_enter()
    waiting = room.waits()
    await settle()
    waiting.cancel()
    await settle()
    chosen = room.waits()
    await settle()
    room.leave(inside)  # the place is the waiting one's now, which has not run yet
    chosen.cancel()
    await settle()
    assert (room.limits.inside, room.limits.waiting) == (0, 0)


async def test_the_more_are_sent_away_the_longer_they_are_asked_to_wait() -> None:
    """Half of the window, as chance says here: two seconds for the first, several for the hundredth."""
    room = Room(queue=0, **ONE)
    await room.must_enter()
    refusals = [await room.enter() for _ in range(100)]
    told = [one.retry_after for one in refusals if isinstance(one, Refusal)]
    assert told[0] == 2 and told[-1] > 3 and told == sorted(told)
