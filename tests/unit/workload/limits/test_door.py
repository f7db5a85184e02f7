"""Places: how many, who gets them, and that each is given back."""

from workload.limits.concurrency import ConcurrencyLimit, Law
from workload.limits.door import Door, Ending
from workload.limits.rank import Rank
from workload.limits.waiting import Caller, Place, Waiting


def door(places: int = 1, room: int = 2) -> Door:
    """One with so many places for ever."""
    return Door(ConcurrencyLimit(Law(first=places, lowest=places, highest=places), 0.0), Waiting(room=room, calm=0.05))


class Told(Caller):
    """A caller that notes what it is told."""

    def __init__(self, until: float = 100.0, rank: Rank = Rank.NEW) -> None:
        self.heard: list[Place] = []
        super().__init__(rank=rank, until=until, tell=self.heard.append)


def test_a_place_that_becomes_free_goes_to_who_waits() -> None:
    """And the number inside never exceeds the places."""
    held, first, second = door(), Told(), Told()
    assert held.arrive(first, 0.0) is Place.INSIDE
    assert held.arrive(second, 0.0) is Place.QUEUE
    held.leave(first, 0.03, Ending.ANSWERED)
    assert (second.heard, held.inside, second.entered) == ([Place.INSIDE], 1, 0.03)


def test_whoever_is_too_late_is_not_served() -> None:
    """Its alarm has not rung yet on a busy machine; its client has given up all the same, and the place goes to the next."""
    held, inside, late, next_one = door(), Told(), Told(until=0.03), Told()
    for caller in (inside, late, next_one):
        held.arrive(caller, 0.0)
    held.leave(inside, 0.04, Ending.ANSWERED)
    assert (late.heard, next_one.heard) == ([Place.NONE], [Place.INSIDE])


def test_whoever_is_too_late_already_finds_no_place() -> None:
    """Even when there are places."""
    assert door().arrive(Told(until=1.0), 1.0) is Place.NONE


def test_a_better_rank_takes_a_place_in_the_queue() -> None:
    """The one who has to go is told, once."""
    held, listed = door(room=1), Told(rank=Rank.LIST)
    held.arrive(Told(), 0.0)
    held.arrive(listed, 0.0)
    assert held.arrive(Told(rank=Rank.KNOWN), 0.0) is Place.QUEUE
    held.give_up(listed)
    assert listed.heard == [Place.NONE]


def test_a_limit_that_grows_lets_several_in() -> None:
    """Not one for each that leaves."""
    held = Door(ConcurrencyLimit(Law(first=8, lowest=1, highest=100, answers=8), 0.0), Waiting(room=50, calm=0.05))
    inside = [Told() for _ in range(8)]
    waiting = [Told() for _ in range(40)]
    for caller in (*inside, *waiting):
        held.arrive(caller, 0.0)
    for number, caller in enumerate(inside):
        held.leave(caller, 0.3 + number / 1000, Ending.ANSWERED)
    assert sum(caller.heard == [Place.INSIDE] for caller in waiting) > len(inside)
    assert held.inside <= held.limit.limit
