"""Thousands of merchants that fail, or are slow, and are paid all the time: who is well is found all the same, and soon."""

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

import pytest

from tests.unit.workload.webhooks.dispatcher_world import NO, YES
from tests.unit.workload.webhooks.test_looks import Desk, due
from workload.webhooks.looks import MOST_NAMED, WHOLE_INTERVAL
from workload.webhooks.model import Look

INTERVAL = 0.2
FOUND = 20
"""Looks."""
WELL = [UUID(int=number) for number in range(100, 120)]


class Crowd:
    """All of these merchants are paid at any moment; those that do not simply answer were told something longest ago."""

    def __init__(self, number: int, *, slow: bool) -> None:
        self.desk = Desk()
        self.bad = [UUID(int=number) for number in range(1000, 1000 + number)]
        self.slow = slow
        for account in self.bad:
            self._went(account, 0.0)

    def _went(self, account: UUID, now: float) -> None:
        is_well = account in WELL
        self.desk.went(account, YES if is_well or self.slow else NO, now=now, seconds=0 if is_well or not self.slow else 2)

    def outbox(self, look: Look) -> Iterator[UUID]:
        """Whom the outbox would answer."""
        busy, free = set(look.busy) | look.failing, {True: look.slow_places, False: look.places + look.beyond}
        yield from look.failing
        for account in (*self.bad, *WELL):
            if account not in busy and free[account in look.slow] > 0:
                free[account in look.slow] -= 1
                yield account

    def pass_by(self, looks: int, *, whole_are_answered: bool) -> list[tuple[Look, Collection[UUID]]]:
        """Look by look, each with who was sent to; nobody is of whom the outbox's answer came too late."""
        passed: list[tuple[Look, Collection[UUID]]] = []
        for number in range(looks):
            now = 1.0 + number * INTERVAL
            look = self.desk.next(now)
            sent: Sequence[UUID] = ()
            if look.also is not None or whole_are_answered:
                sent = tuple(self.desk.looks.settle(look, due(*self.outbox(look)), ()))
            for account in sent:
                self._went(account, now)
            passed.append((look, sent))
        return passed


@pytest.mark.parametrize("whole_are_answered", [True, False])
@pytest.mark.parametrize("number", [2_100, 16_000])
@pytest.mark.parametrize("slow", [False, True])
def test_who_is_well_is_found_among_thousands_that_are_not(number: int, slow: bool, whole_are_answered: bool) -> None:
    """Within twenty looks, and from then on by each that is answered. Nor does everybody have to be looked at more often for it."""
    passed = Crowd(number, slow=slow).pass_by(60, whole_are_answered=whole_are_answered)
    for look, sent in passed[FOUND:]:
        assert set(WELL) <= set(sent) or (look.also is None and not whole_are_answered)
    assert sum(look.also is None for look, _ in passed) <= 60 * INTERVAL / WHOLE_INTERVAL.total_seconds() + 1


def test_a_look_that_reads_too_far_is_followed_by_one_that_does_not() -> None:
    """Had it not been answered because of that, none would be any more."""
    crowd = Crowd(MOST_NAMED + 500, slow=False)
    crowd.pass_by(2, whole_are_answered=False)
    assert crowd.desk.next(1.5).beyond > 0
    assert crowd.desk.next(1.6).beyond == 0


def test_who_may_have_come_behind_those_in_the_way_is_looked_for_again() -> None:
    """It has a backlog that is older than what was paid lately, and was asked for by name; there was room for others only."""
    crowd = Crowd(MOST_NAMED + 500, slow=False)
    crowd.desk.looks.has_more(WELL[0])
    look = crowd.desk.between(1.0)
    assert look.also == {WELL[0]}
    assert WELL[0] not in crowd.desk.looks.settle(look, due(*crowd.outbox(look)), ())
    assert crowd.desk.next(1.2).also == {WELL[0]}


def test_whoever_came_in_the_way_is_named_until_it_is_tried_again() -> None:
    """What a look names does not grow for ever."""
    crowd = Crowd(MOST_NAMED + 500, slow=False)
    standings = crowd.desk.standings
    eldest = crowd.bad[0]
    standings.meet(eldest)
    assert len(standings.failed(MOST_NAMED)) == MOST_NAMED + 1
    for account in crowd.bad:
        crowd.desk.went(account, NO)
    assert len(standings.failed(MOST_NAMED)) == MOST_NAMED and eldest not in standings.failed(MOST_NAMED)
