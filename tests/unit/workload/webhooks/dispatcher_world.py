"""An outbox, merchants, a seat and a clock for a dispatcher, and one look of it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from workload.durable.errors import OutcomeUnknown
from workload.webhooks.dispatcher import Dispatcher
from workload.webhooks.model import Due, Event, Look, Place, Reply, Swept, Trip
from workload.webhooks.settings import Manners

A, B, C = (UUID(int=number) for number in (1, 2, 3))
YES, NO = Reply(is_accepted=True, why="204", is_answer=True), Reply(is_accepted=False, why="answered 500", is_answer=True)
SILENCE = Reply(is_accepted=False, why="no answer within 15 s", is_silence=True)


class World:
    """An outbox, merchants, a seat and a clock."""

    def __init__(self, events: Mapping[UUID, int]) -> None:
        self.events = dict(events)
        self.written: dict[UUID, Place] = {}
        self.replies: dict[UUID, Reply] = {}
        self.hanging: set[UUID] = set()
        self.took: list[tuple[UUID, int]] = []
        self.trips: list[Trip] = []
        self.now = 0.0
        self.is_held = True
        self.is_broken = False
        self.left = False
        self.questions: list[Look] = []
        self.swept: list[tuple[timedelta, UUID]] = []
        self.sought: list[set[UUID] | None] = []
        self.old = 0
        self.registrations: dict[UUID, UUID] = {}
        self.disabled: set[UUID] = set()
        self.seconds = 0.0
        self.pace: dict[UUID, float] = {}

    async def due(self, look: Look) -> Due:
        self._answer()
        self.sought.append(None if look.also is None else set(look.also))
        self.questions.append(look)
        free = {True: look.slow_places, False: look.places + look.beyond}
        found: list[Event] = []
        for account in sorted(self.events):
            delivered = self.written.get(account, (1, 0))[1]
            if self.events[account] <= delivered or account in self.disabled:
                continue
            if account not in look.failing:
                if account in look.busy or free[account in look.slow] <= 0:
                    continue
                free[account in look.slow] -= 1
            last = min(self.events[account], delivered + look.most)
            found += [self._event(account, sequence, delivered) for sequence in range(delivered + 1, last + 1)]
        outdated = {one for one, known_as in look.known.items() if one in self.disabled or self.registration(one) != known_as}
        return Due(events=found, outdated=frozenset(outdated))

    def registration(self, account: UUID) -> UUID:
        """The present one."""
        return self.registrations.get(account, account)

    def _event(self, account: UUID, sequence: int, delivered: int) -> Event:
        return Event(
            id=UUID(int=account.int * 1000 + sequence),
            account=account,
            epoch=1,
            sequence=sequence,
            body="{}",
            delivered=delivered,
            url="u",
            secret="s",
            registration=self.registration(account),
        )

    async def advance(self, cursors: Mapping[UUID, Place]) -> None:
        self._answer()
        self.written.update(cursors)

    async def sweep(self, retention: timedelta, since: UUID) -> Swept:
        self._answer()
        self.swept.append((retention, since))
        found, self.old = min(self.old, 1000), max(self.old - 1000, 0)
        return Swept(events=found, until=UUID(int=since.int + found) if found == 1000 else None)

    def _answer(self) -> None:
        if self.is_broken:
            raise OutcomeUnknown("the link is down")

    async def hold(self) -> bool:
        return self.is_held

    def leave(self) -> None:
        self.left, self.is_held = True, False

    async def post(self, event: Event) -> Reply:
        self.took.append((event.account, event.sequence))
        if event.account in self.hanging:
            await asyncio.Event().wait()
        self.now += self.pace.get(event.account, self.seconds)
        return self.replies.get(event.account, YES)

    def travelled(self, trip: Trip) -> None:
        self.trips.append(trip)

    def dispatcher(self, **manners: object) -> Dispatcher:
        """Over it."""
        return Dispatcher(
            self,
            self,
            self.post,
            manners=Manners(**manners),  # type: ignore[arg-type]
            interval=timedelta(seconds=0.01),
            retention=timedelta(days=7),
            meter=self,
            monotonic=lambda: self.now,
            chance=lambda: 0.0,
        )


async def look(dispatcher: Dispatcher) -> None:
    """One look, and time for its couriers."""
    await dispatcher.look()
    for _ in range(50):
        await asyncio.sleep(0)
