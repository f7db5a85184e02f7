"""Who may be answered by the follower beside the process, and what happens when it does not answer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from workload.durable.errors import OutcomeUnknown
from workload.durable.evidence import Evidence, Reign
from workload.durable.neighbour import Neighbour
from workload.durable.session import Lost

pytestmark = pytest.mark.asyncio

FIRST, SECOND = UUID(int=1), UUID(int=2)
SOON = timedelta(seconds=5)
BLINK = timedelta(milliseconds=5)


def evidence(payment: UUID | None = FIRST, slot: str = "payments_e3_azure_gcp", epoch: int = 3) -> Evidence:
    """A payment committed by azure in epoch 3, while gcp counted."""
    reign = Reign(site="azure", epoch=epoch, system_identifier=7, timeline=1)
    return Evidence(reign=reign, lsn=10, row=payment, ack_slots=frozenset({slot}))


class Line:
    """A session to the neighbour, whose answer the test gives."""

    broken = False

    def __init__(self) -> None:
        self.answer: asyncio.Future[list[UUID]] = asyncio.get_running_loop().create_future()
        self.asked: list[Any] = []

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        return await work(self)

    async def execute(self, query: str, values: Any, prepare: bool) -> "Line":
        self.asked.append(values[:2])
        return self

    async def fetchone(self) -> tuple[list[UUID]]:
        held = await self.answer
        self.answer = asyncio.get_running_loop().create_future()
        return (held,)

    def shut(self) -> None:
        raise AssertionError("a neighbour ends no session")

    def watch(self, readable: Callable[[], None]) -> None: ...

    def unwatch(self) -> None: ...


class Home:
    """The neighbour's sessions, and the barrier behind it, which opens when the test says so."""

    def __init__(self, lines: int = 1, patience: timedelta = SOON) -> None:
        self.free = deque(Line() for _ in range(lines))
        self.lines = tuple(self.free)
        self.passed: list[Evidence] = []
        self.closed = False
        self.neighbour = Neighbour(
            self, self, await_held="ask", service="payments", site="gcp", patience=patience, statement_deadline=SOON
        )

    def take(self) -> Line | None:
        return self.free.popleft() if self.free else None

    def give_back(self, session: Any, /) -> None:
        self.free.append(session)
        self.neighbour.fly()

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        self.passed.append(evidence)
        if self.closed:
            raise OutcomeUnknown("closed")


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_payment_that_is_here_needs_no_barrier() -> None:
    """The neighbour has it: answered, and the writer is not asked again."""
    home = Home()
    wait = asyncio.create_task(home.neighbour.confirm(evidence(), SOON))
    await settle()
    home.lines[0].answer.set_result([FIRST])
    await wait
    assert (home.passed, home.lines[0].asked) == ([], [(3, [FIRST])])


@pytest.mark.parametrize(
    "other",
    [
        evidence(payment=None),
        evidence(slot="payments_e3_azure_aws"),
        evidence(slot="payments_e2_azure_gcp"),
        evidence(slot="payments_e3_aws_gcp"),
        evidence(epoch=4),
    ],
    ids=["a balance", "another member", "an older reign's slot", "another writer's slot", "a reign without it"],
)
async def test_only_a_member_of_that_very_reign_is_asked(other: Evidence) -> None:
    """Anything else goes through the writer's barrier."""
    home = Home()
    await home.neighbour.confirm(other, SOON)
    assert (home.passed, home.lines[0].asked) == ([other], [])


async def test_a_neighbour_without_the_payment_gives_way_to_the_barrier_and_rests() -> None:
    """Asked once in vain, it is left alone for a second; what the barrier says is the answer, also when it stays closed."""
    home = Home(patience=BLINK)
    home.closed = True
    for payment in (FIRST, SECOND):
        with pytest.raises(OutcomeUnknown):
            await home.neighbour.confirm(evidence(payment), SOON)
    assert [len(line.asked) for line in home.lines] == [1]
    assert len(home.passed) == 2


async def test_payments_travel_together_and_are_answered_one_by_one() -> None:
    """One session: whoever comes while it is out goes next; of two that were asked for, the one that is here is answered."""
    home = Home()
    line = home.lines[0]
    first = asyncio.create_task(home.neighbour.confirm(evidence(FIRST), SOON))
    await settle()
    second, third = (asyncio.create_task(home.neighbour.confirm(evidence(UUID(int=n)), SOON)) for n in (2, 3))
    await settle()
    line.answer.set_result([FIRST])
    await first
    await settle()
    line.answer.set_result([UUID(int=3)])
    await third
    await settle()
    assert not second.done()
    line.answer.set_result([SECOND])
    await second
    assert [ids for _, ids in line.asked] == [[FIRST], [SECOND, UUID(int=3)], [SECOND]]
    assert home.passed == []


async def test_a_session_that_breaks_is_no_answer() -> None:
    """The barrier decides."""
    home = Home(patience=BLINK)
    wait = asyncio.create_task(home.neighbour.confirm(evidence(), SOON))
    await settle()
    home.lines[0].answer.set_exception(Lost("gone"))
    await wait
    assert len(home.passed) == 1
