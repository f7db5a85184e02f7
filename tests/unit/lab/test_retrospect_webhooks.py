"""Looking back on webhooks waits until all is through, and calls lost what did not arrive in time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lab.errors import LabError
from lab.receiver_record import Accepted, Line
from lab.reconcile_webhooks import EventRow, OutboxRows
from lab.retrospect_webhooks import LOOK, THROUGH, Outboxes, reconciled_webhooks

SHOP = "shop"


def event(sequence: int) -> EventRow:
    """One event as a ledger holds it."""
    return EventRow(id=f"e{sequence}", account=SHOP, sequence=sequence, payment=f"p{sequence}", body="digest", epoch=1)


def took(sequence: int) -> Accepted:
    """The shop has it."""
    return Accepted(account=SHOP, id=f"e{sequence}", sequence=sequence, payment=f"p{sequence}", body="digest", t=1.0)


def outbox(*sequences: int, cursor: int = 0) -> OutboxRows:
    """A site that holds these events."""
    events = tuple(map(event, sequences))
    creditors = {one.payment: SHOP for one in events}
    return OutboxRows(events=events, cursors={SHOP: cursor}, creditors=creditors, endpoints=frozenset({SHOP}))


@dataclass
class Past:
    """A ground whose record and outboxes move on with each look; the last of them stays."""

    records: list[Sequence[Line]]
    held: list[Outboxes]
    absent: frozenset[str] = frozenset()
    now: float = 0.0
    asked: list[str] = field(default_factory=list)

    def merchants(self) -> frozenset[str]:
        """The shop alone was registered."""
        return frozenset({SHOP})

    def lines(self) -> tuple[Line, ...]:
        """What has arrived by this look."""
        self.asked.append("record")
        return tuple(self.records.pop(0) if len(self.records) > 1 else self.records[0])

    async def outboxes(self) -> Outboxes:
        """What every site holds by this look."""
        self.asked.append("outboxes")
        return self.held.pop(0) if len(self.held) > 1 else self.held[0]

    async def owes(self, site: str) -> bool:
        """Whoever is not away."""
        return site not in self.absent

    async def rest(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds


async def look_back(past: Past) -> tuple[object, ...]:
    """Found figures, what could not be done, and seconds that it took."""
    found, troubles = await reconciled_webhooks(past, monotonic=lambda: past.now, rest=past.rest)
    figures = (found.sent, found.lost, found.pending) if found else None
    return figures, troubles, past.now


async def test_what_is_on_its_way_is_waited_for() -> None:
    """Two looks before the last event is there; then nothing is lost, and nobody waits for the rest of the time."""
    past = Past(records=[[took(1)], [took(1)], [took(1), took(2)]], held=[{"aws": outbox(1, 2)}])
    assert await look_back(past) == ((2, 0, 0), (), 2 * LOOK)


async def test_what_has_had_its_time_is_lost() -> None:
    """A dispatcher that leaves out an event, and calls nothing delivered, does not get away with saying nothing."""
    figures, troubles, passed = await look_back(Past(records=[[took(1)]], held=[{"aws": outbox(1, 2)}]))
    assert (figures, troubles) == ((1, 1, 0), ())
    assert isinstance(passed, float) and passed > THROUGH.total_seconds()


async def test_a_cursor_that_was_written_between_two_readings_is_no_loss() -> None:
    """The record is read before the outboxes: what arrived in between looks lost, until it is looked at again."""
    past = Past(records=[[], [took(1)]], held=[{"aws": outbox(1, cursor=1)}])
    assert await look_back(past) == ((1, 0, 0), (), LOOK)
    assert past.asked == ["record", "outboxes"] * 2


async def test_a_follower_is_given_time_to_hold_what_was_told() -> None:
    """Merchants hear of what one follower has; the other one may be a moment behind."""
    past = Past(records=[[took(1)]], held=[{"aws": outbox(1), "gcp": outbox()}, {"aws": outbox(1), "gcp": outbox(1)}])
    assert await look_back(past) == ((1, 0, 0), (), LOOK)


async def test_a_site_that_has_not_returned_owes_nothing() -> None:
    """What it lacks is not told of a payment that nobody holds; a site that counts and lacks it is."""
    held: list[Outboxes] = [{"aws": outbox(1), "gcp": outbox()}]
    found, _ = await reconciled_webhooks(away := Past(records=[[took(1)]], held=held, absent=frozenset({"gcp"})),
                                         monotonic=lambda: away.now, rest=away.rest)  # fmt: skip
    assert found is not None and found.unheld == 0
    assert (list(found.digests), found.outboxes_equal) == (["aws", "gcp"], False), "they are compared all the same"
    found, _ = await reconciled_webhooks(
        here := replace(away, absent=frozenset(), now=0.0), monotonic=lambda: here.now, rest=here.rest
    )
    assert found is not None and found.unheld == 1


async def test_registrations_are_those_that_were_made() -> None:
    """Every ledger lost the shop: nobody is told of anything any more, and nothing is pending."""
    lost = replace(outbox(1), endpoints=frozenset())
    found, _ = await reconciled_webhooks(past := Past(records=[[took(1)]], held=[{"aws": lost}]),
                                         monotonic=lambda: past.now, rest=past.rest)  # fmt: skip
    assert found is not None and found.unregistered == 1


async def test_what_cannot_be_read_is_told_and_hides_nothing() -> None:
    """One outbox that stays silent: the other one is held against the record; none at all: nothing is known."""
    silent = "the outbox of gcp cannot be read: TimeoutError()"
    figures, troubles, _ = await look_back(Past(records=[[took(1)]], held=[{"aws": outbox(1), "gcp": silent}]))
    assert (figures, troubles) == ((1, 0, 0), (silent,))
    figures, troubles, _ = await look_back(Past(records=[[took(1)]], held=[{"gcp": silent}]))
    assert (figures, troubles) == (None, (silent,))


async def test_a_damaged_record_proves_nothing() -> None:
    """It is told, and no figure is made up."""

    class Damaged(Past):
        def lines(self) -> tuple[Line, ...]:
            raise LabError("the merchants' record is damaged: line 3")

    figures, troubles, _ = await look_back(Damaged(records=[[]], held=[{"aws": outbox(1)}]))
    assert (figures, troubles) == (None, ("the merchants' record is damaged: line 3",))
