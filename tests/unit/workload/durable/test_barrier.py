"""The barrier's rule, searched with random histories against the truth that only the test knows."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workload.durable.barrier import Barrier, Flight, Look, Waiter
from workload.durable.evidence import Evidence, Reign

FIRST = Reign(site="azure", epoch=1, system_identifier=7, timeline=1)
LATER = Reign(site="azure", epoch=3, system_identifier=7, timeline=1)
MOVED = Reign(site="azure", epoch=1, system_identifier=7, timeline=2)


def at(lsn: int, reign: Reign = FIRST) -> Evidence:
    """Evidence at a position."""
    return Evidence(reign=reign, lsn=lsn)


def look(confirmed: int | None, reign: Reign = FIRST, is_open: bool = True) -> Look:
    """What the writer answered."""
    return Look(reign=reign, is_open=is_open, confirmed=confirmed)


def test_a_look_releases_who_registered_before_it_was_sent_and_is_confirmed() -> None:
    """Two waiters, one confirmed: that one goes, the other flies again."""
    barrier = Barrier()
    low, high = barrier.register(at(10)), barrier.register(at(20))
    flight = barrier.depart("azure")
    assert flight.target == 10
    assert barrier.land(flight, look(15)).released == (low,)
    assert barrier.depart("azure").target == high.evidence.lsn


def test_a_look_never_releases_who_registered_after_it_was_sent() -> None:
    """The photograph was taken, then the log under it changed, then the waiter committed at a lower position of the new log."""
    barrier = Barrier()
    early = barrier.register(at(10))
    flight = barrier.depart("azure")
    late = barrier.register(at(5))
    assert barrier.land(flight, look(100)).released == (early,)
    assert barrier.land(barrier.depart("azure"), look(100)).released == (late,)


def test_a_look_also_releases_who_travels_on_another_flight() -> None:
    """What is proven is proven, whoever asked."""
    barrier = Barrier()
    first = barrier.register(at(10))
    barrier.depart("azure")
    second = barrier.register(at(20))
    flight = barrier.depart("azure")
    assert barrier.land(flight, look(20)).released == (first, second)


@pytest.mark.parametrize("answer", [look(100, LATER), look(100, MOVED), look(100, is_open=False)])
def test_a_look_at_another_reign_or_a_closed_node_releases_nobody(answer: Look) -> None:
    """Same position, other log: a confirmation there proves nothing here, and nothing here will be confirmed any more."""
    barrier = Barrier()
    waiter = barrier.register(at(10))
    landing = barrier.land(barrier.depart("azure"), answer)
    assert landing.released == ()
    assert landing.hopeless == (waiter,)
    assert barrier.waiting == 0


def test_a_poll_without_answer_settles_nothing() -> None:
    """The link died: the waiter stays and flies again."""
    barrier = Barrier()
    waiter = barrier.register(at(10))
    landing = barrier.land(barrier.depart("azure"), None)
    assert landing.released == landing.hopeless == ()
    assert barrier.land(barrier.depart("azure"), look(10)).released == (waiter,)


def test_an_empty_ack_set_releases_nobody() -> None:
    """Nobody has confirmed anything."""
    barrier = Barrier()
    barrier.register(at(0))
    assert barrier.land(barrier.depart("azure"), look(None)).released == ()


def test_a_flight_takes_one_reign_only() -> None:
    """A target is a position in one log; two reigns never share a flight."""
    barrier = Barrier()
    barrier.register(at(50, FIRST))
    barrier.register(at(5, LATER))
    assert barrier.depart("azure").target == 50
    assert barrier.depart("azure").target == 5
    with pytest.raises(ValueError, match="nobody"):
        barrier.depart("azure")


def test_while_nothing_is_confirmed_one_poll_asks_for_everybody() -> None:
    """Both followers are gone: without this every lane would spin inside the writer for as long as that lasts."""
    barrier = Barrier()
    barrier.register(at(10))
    barrier.land(barrier.depart("azure"), look(1))
    asking = barrier.depart("azure")
    barrier.register(at(20))
    assert barrier.wanting() == ()
    barrier.land(asking, look(10))
    assert barrier.wanting() == ("azure",)


def test_a_newer_writer_ends_the_wait_of_older_reigns_only() -> None:
    """Epoch 3 is known: whoever waits for epoch 1 is told so now."""
    barrier = Barrier()
    old, new = barrier.register(at(10, FIRST)), barrier.register(at(10, LATER))
    flight = barrier.depart("azure")
    assert barrier.abandon(below=3) == (old,)
    assert barrier.land(flight, look(100)).released == ()
    assert barrier.land(barrier.depart("azure"), look(100, LATER)).released == (new,)


class Histories(RuleBasedStateMachine):
    """A writer whose log may be cut back and go on as another timeline, while polls are in the air.

    The truth: a payment is durable when its position was confirmed in its own reign at some moment after it was registered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.barrier = Barrier()
        self.timeline = 1
        self.end = 0
        self.confirmed = 0
        self.open = True
        self.waiting: dict[int, Waiter] = {}
        self.durable: set[int] = set()
        self.flights: list[tuple[Flight, Look]] = []

    def reign(self) -> Reign:
        return Reign(site="azure", epoch=1, system_identifier=7, timeline=self.timeline)

    def note(self) -> None:
        for waiter in self.waiting.values():
            if waiter.evidence.reign == self.reign() and waiter.evidence.lsn <= self.confirmed and self.open:
                self.durable.add(waiter.ticket)

    @rule(size=st.integers(1, 5))
    def pay(self, size: int) -> None:
        """A payment commits and waits."""
        self.end += size
        waiter = self.barrier.register(at(self.end, self.reign()))
        self.waiting[waiter.ticket] = waiter

    @precondition(lambda self: self.barrier.wanting())
    @rule()
    def send(self) -> None:
        """A poll leaves; its photograph is taken at once, the worst case for those who come later."""
        flight = self.barrier.depart("azure")
        self.note()
        self.flights.append((flight, look(self.confirmed, self.reign(), self.open)))

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), lost=st.booleans())
    def arrive(self, data: st.DataObject, lost: bool) -> None:
        """Any poll lands, in any order, or is lost."""
        flight, answer = self.flights.pop(data.draw(st.integers(0, len(self.flights) - 1)))
        landing = self.barrier.land(flight, None if lost else answer)
        assert {waiter.ticket for waiter in landing.released} <= self.durable
        for waiter in (*landing.released, *landing.hopeless):
            del self.waiting[waiter.ticket]

    @rule(upto=st.integers(0, 10))
    def confirm(self, upto: int) -> None:
        """A follower confirms more."""
        self.confirmed = min(self.end, self.confirmed + upto)

    @rule(back=st.integers(0, 10))
    def regress(self, back: int) -> None:
        """The site's own failover: another timeline, from an earlier point."""
        self.timeline += 1
        self.end = max(0, self.end - back)
        self.confirmed = min(self.confirmed, self.end)

    @rule()
    def fence(self) -> None:
        """The node closes or opens."""
        self.open = not self.open

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """A waiter's deadline is over."""
        self.barrier.withdraw(self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting)))))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Who waits is in the barrier, and is on a flight or may take one."""
        assert self.barrier.waiting == len(self.waiting)
        if self.waiting and not self.flights:
            assert self.barrier.wanting() == ("azure",)


TestHistories = Histories.TestCase
