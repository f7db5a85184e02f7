"""A service made of arithmetic, behind the real door: one processor that everybody shares, and a wait that nobody shares."""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from workload.limits.concurrency import ConcurrencyLimit, Law
from workload.limits.door import Door, Ending
from workload.limits.rank import Rank
from workload.limits.waiting import Caller, Place, Waiting

PATIENCE, DEADLINE = 0.1, 0.9
"""Seconds in the queue, and inside, before a request ends without an answer."""

PAUSES = 4.0
"""Seconds from one pause to the next."""

Varying = Callable[[float], float]
"""By the moment of the run."""


def steady(value: float) -> Varying:
    """The same at every moment."""
    return lambda _: value


def wandering(low: float, high: float, seed: int) -> Varying:
    """Another value every half second."""
    chance = random.Random(seed)
    values = [chance.uniform(low, high) for _ in range(1000)]
    return lambda now: values[int(2 * now)]


@dataclass(slots=True, kw_only=True)
class Modelled:
    """`arrivals` a second want `work` seconds of the one processor each, and then wait for the barrier."""

    arrivals: Varying
    barrier: Varying = field(default_factory=lambda: steady(0.03))
    work: Varying = field(default_factory=lambda: steady(0.0025))
    law: Law = field(default_factory=Law)
    room: int = 64
    stops: tuple[float, float] = (0.0, 0.0)
    """Between these moments nothing is answered: every request ends late, without an answer."""
    pause: float = 0.0
    """Every four seconds nothing is answered for so long, and what is due then is answered at its end."""
    told_no: float = 0.0
    """Share of those served that are told no (404, 409, 422), at the same cost."""
    seed: int = 7
    offers: int = 0
    turned_away: int = 0
    latest: float = 0.0
    """Moment at which somebody was turned away last."""
    answered: Counter[int] = field(default_factory=Counter)
    """By second."""
    times: dict[int, list[float]] = field(default_factory=dict)
    """Seconds from arrival to answer, by the second of the answer."""
    limits: dict[int, int] = field(default_factory=dict)
    """Highest limit, by second."""
    lowest: dict[int, int] = field(default_factory=dict)
    """And the lowest."""
    deepest: int = 0

    def run(self, seconds: float) -> "Modelled":
        """The whole run, the same every time."""
        chance = random.Random(self.seed)
        door = Door(ConcurrencyLimit(self.law, 0.0), Waiting(room=self.room, calm=PATIENCE / 2))
        events: list[tuple[float, int, Callable[[float], None]]] = []
        order, free_at, clock = count(), 0.0, 0.0

        def at(moment: float, what: Callable[[float], None]) -> None:
            heapq.heappush(events, (moment, next(order), what))

        def begin(caller: Caller, arrived: float, now: float) -> None:
            nonlocal free_at
            if self.stops[0] <= now < self.stops[1]:
                at(now + DEADLINE, lambda then: door.leave(caller, then, Ending.FAILED))
                return
            free_at = max(free_at, now) + self.work(now) * chance.uniform(0.5, 1.5)
            done = self._after_a_pause(free_at + self.barrier(now) * chance.uniform(0.95, 1.05))
            at(min(done, now + DEADLINE), lambda then: end(caller, arrived, then, done <= now + DEADLINE))

        def end(caller: Caller, arrived: float, now: float, well: bool) -> None:
            if well:
                self.answered[int(now)] += 1
                self.times.setdefault(int(now), []).append(now - arrived)
            door.leave(caller, now, self._ending(chance) if well else Ending.FAILED)
            limit, second = door.limit.limit, int(now)
            self.limits[second] = max(self.limits.get(second, limit), limit)
            self.lowest[second] = min(self.lowest.get(second, limit), limit)
            self.deepest = max(self.deepest, door.inside)

        def arrive(now: float) -> None:
            at(now + chance.expovariate(self.arrivals(now)), arrive)
            caller = Caller(rank=Rank.NEW, until=now + PATIENCE)
            self.offers += 1
            caller.tell = lambda place: begin(caller, now, clock) if place is Place.INSIDE else self._turn_away(clock)
            match door.arrive(caller, now):
                case Place.INSIDE:
                    begin(caller, now, now)
                case Place.QUEUE:
                    at(caller.until, lambda _: door.give_up(caller))
                case Place.NONE:
                    self._turn_away(now)

        at(0.0, arrive)
        while events and events[0][0] < seconds:
            clock, _, what = heapq.heappop(events)
            what(clock)
        return self

    def _turn_away(self, now: float) -> None:
        self.turned_away, self.latest = self.turned_away + 1, now

    def _after_a_pause(self, moment: float) -> float:
        since = moment % PAUSES
        return moment - since + self.pause if moment > PAUSES and since < self.pause else moment

    def _ending(self, chance: random.Random) -> Ending:
        return Ending.REFUSED if self.told_no and chance.random() < self.told_no else Ending.ANSWERED

    @property
    def share_turned_away(self) -> float:
        """Of all who came."""
        return self.turned_away / self.offers

    def goodput(self, begin: int, end: int) -> float:
        """Answers a second between two whole seconds."""
        return sum(self.answered[second] for second in range(begin, end)) / (end - begin)

    def worst(self, begin: int, end: int) -> int:
        """Answers in the worst second."""
        return min(self.answered[second] for second in range(begin, end))

    def slow(self, begin: int, end: int, share: float = 0.99) -> float:
        """Seconds that this share of the answers took at most, from arrival."""
        times = sorted(time for second in range(begin, end) for time in self.times.get(second, ()))
        return times[int(share * (len(times) - 1))]
