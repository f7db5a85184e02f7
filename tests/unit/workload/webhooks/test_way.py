"""When a dispatcher concludes that its own way to merchants is broken, and when it does not."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import pytest

from tests.unit.workload.webhooks.dispatcher_world import NO, SILENCE, YES, A, B, C
from workload.webhooks.model import Event, Reply, Trip
from workload.webhooks.settings import Manners
from workload.webhooks.standings import Standings
from workload.webhooks.way import Way

MANNERS = Manners()
DAY = 86_400.0
D, E, F = (UUID(int=number) for number in (4, 5, 6))


def trip(reply: Reply, sequence: int = 1) -> Trip:
    """What became of one event."""
    if reply.is_accepted:
        return Trip(delivered=1, failure=None, slowest=timedelta(0))
    return Trip(delivered=0, failure=reply, slowest=timedelta(0), stopped_at=sequence)


def due(account: UUID, delivered: int) -> Event:
    """The next one of an account that has been told so far."""
    return Event(
        id=account,
        account=account,
        epoch=1,
        sequence=delivered + 1,
        body="{}",
        delivered=delivered,
        url="u",
        secret="s",
        registration=account,
    )


def silent(way: Way, accounts: Iterable[UUID], *moments: float) -> None:
    """Nothing came back from these, then."""
    for now in moments:
        for account in accounts:
            way.travelled(account, trip(SILENCE), now)


def test_silence_of_several_that_lasts_is_a_broken_way() -> None:
    """After half a minute, while one of them is still tried."""
    way = Way(MANNERS)
    silent(way, (A, B, C), 0, 10, 29)
    assert not way.is_lost(29.9)
    assert way.is_lost(30)
    assert not way.is_lost(60), "nobody was tried for half a minute"


@pytest.mark.parametrize("answer", [YES, NO])
def test_any_answer_shows_that_the_way_is_well(answer: Reply) -> None:
    """An error too."""
    way = Way(MANNERS)
    silent(way, (A, B, C), 0, 29)
    way.travelled(D, trip(answer), 29)
    silent(way, (A, B, C), 31)
    assert not way.is_lost(31)


def test_silence_of_monday_is_no_silence_that_lasts_on_tuesday() -> None:
    """Two shops died, nobody was tried in between, a third dies: nothing lasted."""
    way = Way(MANNERS)
    silent(way, (A, B), 0, 20, 40)
    silent(way, (C,), DAY, DAY + 20, DAY + 40)
    assert not way.is_lost(DAY) and not way.is_lost(DAY + 40)


def test_who_has_left_because_of_some_is_moved_by_others_only() -> None:
    """Every other site had its turn with them. For ten minutes: afterwards they may be well, and the way not."""
    way = Way(MANNERS)
    silent(way, (A, B, C), 0, 30)
    assert way.is_lost(30)
    way.leave(30)
    silent(way, (A, B, C, D, E), 60, 100)
    assert not way.is_lost(100)
    silent(way, (F,), 101)
    assert way.is_lost(101)
    way.leave(101)
    silent(way, (A, B, C), 640, 680)
    assert way.is_lost(680)


def test_who_answered_speaks_against_the_way_again() -> None:
    """It was not dead, or is no more."""
    way = Way(MANNERS)
    silent(way, (A, B, C), 0, 30)
    way.leave(30)
    for account in (A, B, C):
        way.travelled(account, trip(YES), 40)
    silent(way, (A, B, C), 50, 80)
    assert way.is_lost(80)


class Night:
    """Three sites, one seat, and nobody to tell but shops that are dead."""

    def __init__(self, dead: Iterable[UUID]) -> None:
        self.ways = [Way(MANNERS) for _ in range(3)]
        self.standings = [Standings(MANNERS) for _ in range(3)]
        self.dead = tuple(dead)
        self.moves: list[float] = []

    def pass_by(self, until: int) -> None:
        """Second by second; whoever leaves is followed by the next."""
        site = 0
        for now in range(until):
            for account in self.dead:
                if self.standings[site].of(account).rests_until <= now:
                    self.standings[site].travelled(account, account, trip(SILENCE), now, 0.5)
                    self.ways[site].travelled(account, trip(SILENCE), now)
            if self.ways[site].is_lost(now):
                self.ways[site].leave(now)
                self.moves.append(now)
                site = (site + 1) % 3


def test_the_seat_does_not_go_round_at_night() -> None:
    """Each site leaves once; then the seat stays where it is, until ten minutes later they ask themselves again."""
    night = Night((A, B, C))
    night.pass_by(2 * 3600)
    assert len(night.moves) > 6, "not for ever: the way of whoever sits may have broken since"
    assert night.moves[2] < 100
    for before, after in zip(night.moves, night.moves[3:], strict=False):
        assert after - before > MANNERS.pardon.total_seconds()


class Day:
    """Three sites, one seat, and shops that are paid all the time and are well. Nobody reaches them from the first site."""

    def __init__(self, shops: int) -> None:
        self.ways = [Way(MANNERS) for _ in range(3)]
        self.standings = [Standings(MANNERS) for _ in range(3)]
        self.cursors = {UUID(int=number): 0 for number in range(100, 100 + shops)}
        self.left: list[float] = []

    def pass_by(self, site: int, begin: int, until: int) -> None:
        """Second by second, with the seat at one site for as long as it wants it."""
        way, standings = self.ways[site], self.standings[site]
        for now in range(begin, until):
            read = [due(shop, delivered) for shop, delivered in self.cursors.items() if standings.of(shop).rests_until <= now]
            standings.forget(way.read(read))
            for event in read:
                went = trip(YES if site else SILENCE, event.sequence)
                way.travelled(event.account, went, now)
                standings.travelled(event.account, event.account, went, now, 0.5)
                self.cursors[event.account] += went.delivered
            if way.is_lost(now):
                way.leave(now)
                self.left.append(now)
                return


@pytest.mark.parametrize("shops", [3, 20])
def test_a_broken_site_that_has_the_seat_back_leaves_it_again(shops: int) -> None:
    """It left, another site told everybody, and minutes later a failover gives the seat to it: nobody is told anything for as long as it
    holds what it pardoned for the merchants' own fault. So each time, however often."""
    day = Day(shops)
    day.pass_by(0, 0, 600)
    assert day.left == [30]
    for returned in (90, 600, 1200, 1800):
        day.pass_by(1, returned - 60, returned)
        day.pass_by(0, returned, returned + 600)
        assert day.left[-1] == returned + 30


def test_what_this_process_itself_brought_later_is_no_proof_against_its_way() -> None:
    """Three were silent; the first of them then took from here what it had not, and is silent again with the next event."""
    way = Way(MANNERS)
    silent(way, (A, B, C), 0, 30)
    way.leave(30)
    way.travelled(A, trip(YES), 40)
    assert not way.read([due(A, 1), due(B, 0), due(C, 0)])
    assert way.read([due(B, 1)]) == {B, C}
    assert not way.read([due(B, 1)]), "once"
