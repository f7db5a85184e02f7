"""All limits of one process in their order, and what each request has to be told.

A client's own rate first, because it is the client's own doing; then the rate of all; then a place. Retries of what was begun need no
token of the common bucket, and are first in line: a client that was never told what became of its payment goes on asking until it is, and
each answer to it ends a stream of requests, where an answer to a new one ends nothing. That goes for retries of what another process took
as well: whenever somebody would have to wait or to go, the database beside this one is asked about those that say they come again.
"""

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from workload.limits.concurrency import ConcurrencyLimit
from workload.limits.door import Door, Ending
from workload.limits.lately import Lately
from workload.limits.ports import Counts, Knowledge, Uncounted
from workload.limits.pressure import Pressure, retry_after_wait
from workload.limits.rank import Rank, rank
from workload.limits.rates import Clients, draw
from workload.limits.refusal import Kind, Refusal
from workload.limits.request import Asked
from workload.limits.settings import LimitTable
from workload.limits.waiting import Caller, Place, Waiting


@dataclass(slots=True, kw_only=True, eq=False)
class Visit(Caller):
    """One request from its arrival to its end."""

    arrived: float
    key: str | None = None
    has_waited: bool = False
    is_late: bool = False
    """It waited for as long as it could."""


class Limits:
    """The limits of one process."""

    def __init__(
        self,
        table: LimitTable,
        *,
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        counts: Counts | None = None,
        knowledge: Knowledge | None = None,
        parts: Collection[str] = (),
    ) -> None:
        """`chance`: from 0 up to 1, anew at each call. `knowledge`: who is asked about retries of strangers; None: nobody. `parts`: see
        `rank`."""
        nothing = Uncounted()
        self._table, self._monotonic, self._chance = table, monotonic, chance
        self._counts, self._knowledge, self._parts = counts or nothing, knowledge or nothing, tuple(parts)
        patience = table.patience.total_seconds()
        self._patience = patience
        self._limit = ConcurrencyLimit(table.law(), monotonic())
        self._door = Door(self._limit, Waiting(room=table.queue, calm=patience / 2))
        self._clients = Clients(table.client.rate(), room=table.clients) if table.client else None
        self._overall = table.overall.rate() if table.overall else None
        self._overall_full_at = 0.0
        self._lately = Lately(room=table.keys)
        self._pressure = Pressure(longest=table.longest_retry_after.total_seconds())
        self._questions = 0
        self.client_header = None if table.client_header is None else table.client_header.encode()

    @property
    def inside(self) -> int:
        """Requests being served."""
        return self._door.inside

    @property
    def places(self) -> int:
        """How many may be."""
        return self._limit.limit

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._door.waiting)

    @property
    def best(self) -> float:
        """Highest rate of answers that was seen, a second; 0: none yet."""
        return self._limit.best

    @property
    def base(self) -> float:
        """Seconds that a request takes without a queue; 0: not known yet."""
        return self._limit.base or 0.0

    def admit(self, asked: Asked) -> Rank | Refusal:
        """What it is worth, or what to tell a client that asks more often than it may: before anything of the request is waited for."""
        if asked.client is not None and asked.client in self._table.checkers:
            return Rank.CHECK
        is_known = asked.key is not None and asked.key in self._lately
        ranked = rank(asked.method, asked.path, known=is_known, parts=self._parts)
        if self._clients is None or asked.client is None:
            return ranked
        wait = self._clients.draw(asked.client, self._monotonic())
        if wait <= 0:
            return ranked
        self._counts.refused(Kind.CLIENT, ranked)
        return Refusal(kind=Kind.CLIENT, retry_after=retry_after_wait(wait, self._chance()), places=self.places)

    async def enter(self, asked: Asked, ranked: Rank, ends_at: float = math.inf) -> Visit | Refusal:
        """A place, perhaps after a short wait; give it back with `leave`. Or what to tell the client instead.

        `ranked`: by `admit`. `ends_at`: monotonic seconds at which its client has given up.
        """
        now = self._monotonic()
        drew = ranked > Rank.KNOWN and self._draw()
        if ranked is Rank.NEW and asked.is_retry and asked.key is not None and (not drew or self._is_pressed):
            ranked = await self._look_up(asked.key)
        if ranked > Rank.KNOWN and not drew:
            return self.turn_away(Kind.OVERALL, ranked)
        found = await self._find_place(asked, ranked, now, ends_at)
        if drew and (ranked is Rank.KNOWN or isinstance(found, Refusal)):
            self._give_token_back()
        return found

    def leave(self, visit: Visit, ending: Ending, *, in_vain: bool) -> None:
        """Give the place back. `in_vain`: certainly nothing came of it, so a retry of its key is a new wish, unless this was a retry."""
        now = self._monotonic()
        # The first attempt met the crash and its outcome is unknown; the second was told "no writer, nothing happened", which is true of
        # the second. Forgotten for that, the third would wait behind everybody who comes for the first time.
        if in_vain and visit.key is not None and visit.rank is Rank.NEW:
            self._lately.drop(visit.key)
        elif ending in (Ending.ANSWERED, Ending.REFUSED) and visit.key is not None:
            self._lately.tell(visit.key)
        self._counts.served(visit.rank, now - visit.arrived)
        self._door.leave(visit, now, ending)

    @property
    def _is_pressed(self) -> bool:
        return self.inside >= self.places or self.waiting > 0

    def _draw(self) -> bool:
        if self._overall is None:
            return True
        drawn = draw(self._overall, self._overall_full_at, self._monotonic())
        self._overall_full_at = drawn.full_at
        return drawn.wait <= 0

    def _give_token_back(self) -> None:
        if self._overall is not None:
            self._overall_full_at -= 1 / self._overall.per_second

    async def _look_up(self, key: str) -> Rank:
        """While many ask, few questions are asked: the follower has a site's reads to serve, and this is not what it is for."""
        if self._questions >= self._table.questions or self._lately.has_been_told(key):
            return Rank.NEW
        self._questions += 1
        try:
            return Rank.KNOWN if await self._knowledge.knows(key) else Rank.NEW
        finally:
            self._questions -= 1

    async def _find_place(self, asked: Asked, ranked: Rank, arrived: float, ends_at: float) -> Visit | Refusal:
        now = self._monotonic()
        wait_until, gives_up = now + self._patience, self._gives_up(arrived, ends_at)
        visit = Visit(rank=ranked, until=min(wait_until, gives_up), arrived=arrived, key=asked.key)
        if gives_up <= now:
            return self.turn_away(Kind.DEADLINE, ranked)
        answer: asyncio.Future[Place] | None = None
        match self._door.arrive(visit, now):
            case Place.NONE:
                return self.turn_away(Kind.FULL, ranked)
            case Place.QUEUE:
                answer = asyncio.get_running_loop().create_future()
            case Place.INSIDE:
                pass
        if answer is not None and not await self._wait(visit, answer, now):
            if not visit.is_late and self._monotonic() < visit.until:
                return self.turn_away(Kind.FULL, ranked)  # somebody of a better rank has its place in the queue
            return self.turn_away(Kind.PATIENCE if wait_until <= gives_up else Kind.DEADLINE, ranked)
        if visit.key is not None and ranked <= Rank.NEW and ranked is not Rank.PART:
            self._lately.note(visit.key)
        return visit

    def _gives_up(self, arrived: float, ends_at: float) -> float:
        """When beginning would be in vain: as long before its client's deadline as a request takes that need not wait.

        At most half of what was left when it came: had the service been slow once, and all clients been in a hurry, it would serve nobody
        and never learn that it is fast again.
        """
        return ends_at - min(self.base, (ends_at - arrived) / 2)

    async def _wait(self, visit: Visit, answer: "asyncio.Future[Place]", now: float) -> bool:
        def tell(place: Place) -> None:
            if not answer.done():
                answer.set_result(place)
            elif place is Place.INSIDE:  # whoever waited was cancelled a moment ago: the place would be nobody's for ever
                self._door.leave(visit, self._monotonic(), Ending.NEITHER)

        visit.tell = tell

        def ring() -> None:
            visit.is_late = True
            self._door.give_up(visit)

        alarm = answer.get_loop().call_later(visit.until - now, ring)
        visit.has_waited = True
        try:
            return await answer is Place.INSIDE
        except asyncio.CancelledError:
            self._door.give_up(visit)
            if answer.done() and not answer.cancelled() and answer.result() is Place.INSIDE:
                self._door.leave(visit, self._monotonic(), Ending.NEITHER)
            raise
        finally:
            alarm.cancel()

    def turn_away(self, kind: Kind, ranked: Rank) -> Refusal:
        """What to tell somebody who is not served, for a reason that is not its own."""
        now = self._monotonic()
        self._counts.refused(kind, ranked)
        self._pressure.add(now)
        # Before the best rate is known: at least as many a second as may be inside, none of whom takes a second.
        later = self._pressure.retry_after(now, max(self.best, self.places), self._chance())
        return Refusal(kind=kind, retry_after=later, places=self.places)
