"""Who is next, and who has to go, when more wait than there is room for."""

from workload.limits.rank import Rank
from workload.limits.waiting import Caller, Waiting


def caller(rank: Rank = Rank.NEW) -> Caller:
    """Somebody who can wait for long."""
    return Caller(rank=rank, until=1000.0)


def test_normally_the_first_to_come_is_the_first_to_be_served() -> None:
    """Within one rank, as long as the queue is a passing crowd."""
    waiting, first, second = Waiting(room=5, calm=0.05), caller(), caller()
    waiting.add(first, 0.0)
    waiting.add(second, 0.01)
    assert [waiting.take(0.02), waiting.take(0.02), waiting.take(0.02)] == [first, second, None]


def test_overloaded_the_last_to_come_is_served_first() -> None:
    """The one who came first has the least time left; served in turn, everybody would be served too late."""
    waiting, first, second = Waiting(room=5, calm=0.05), caller(), caller()
    waiting.add(first, 0.0)
    waiting.add(second, 0.07)
    assert waiting.take(0.08) is second


def test_a_queue_that_was_empty_once_is_a_new_one() -> None:
    """A crowd every second is no overload."""
    waiting = Waiting(room=5, calm=0.05)
    waiting.add(caller(), 0.0)
    waiting.take(0.01)
    first, second = caller(), caller()
    waiting.add(first, 1.0)
    waiting.add(second, 1.01)
    assert waiting.take(1.02) is first


def test_ranks_go_before_times() -> None:
    """A check, then a retry of what was begun, a part of another service's work, a new payment, then a read of one thing, then a list,
    whoever came first."""
    waiting = Waiting(room=len(Rank), calm=0.05)
    for rank in reversed(Rank):
        waiting.add(caller(rank), 0.0)
    taken = [waiting.take(0.01) for _ in Rank]
    assert [one.rank for one in taken if one] == [Rank.CHECK, Rank.KNOWN, Rank.PART, Rank.NEW, Rank.READ, Rank.LIST]


def test_a_full_queue_sheds_the_lowest_rank_first() -> None:
    """A list makes room for a payment, a payment for a retry; a list that comes last has to go itself."""
    waiting, listed, new, known = Waiting(room=2, calm=0.05), caller(Rank.LIST), caller(), caller(Rank.KNOWN)
    assert waiting.add(listed, 0.0) is None
    assert waiting.add(new, 0.0) is None
    assert waiting.add(known, 0.0) is listed
    late = caller(Rank.LIST)
    assert waiting.add(late, 0.0) is late
    assert waiting.add(caller(Rank.KNOWN), 0.0) is new
    assert len(waiting) == 2


def test_among_equals_the_oldest_goes() -> None:
    """It has the least time left, and would be taken last."""
    waiting, first, second = Waiting(room=1, calm=0.05), caller(), caller()
    waiting.add(first, 0.0)
    assert waiting.add(second, 0.01) is first
    assert waiting.take(0.02) is second


def test_whoever_gives_up_is_gone() -> None:
    """Once, and nobody is counted twice."""
    waiting, one = Waiting(room=1, calm=0.05), caller()
    waiting.add(one, 0.0)
    assert waiting.remove(one) and not waiting.remove(one)
    assert (len(waiting), waiting.take(0.1)) == (0, None)


def test_without_room_nobody_waits() -> None:
    """A service may want no queue at all."""
    one = caller()
    assert Waiting(room=0, calm=0.05).add(one, 0.0) is one
