"""Successes that are not yet known to be in the database."""

from uuid import UUID

from workload.webhooks.cursors import Cursors
from workload.webhooks.model import NOWHERE, Event

A, B, ANY = UUID(int=1), UUID(int=2), UUID(int=9)


def event(sequence: int, epoch: int = 1, account: UUID = A) -> Event:
    """One that was accepted."""
    return Event(
        id=ANY, account=account, epoch=epoch, sequence=sequence, body="", delivered=0, url="u", secret="s", registration=ANY
    )


def test_a_note_never_moves_back() -> None:
    """A late courier tells old news; a later reign's first event is behind every one of the reign before."""
    cursors = Cursors()
    assert cursors.noted(A) == NOWHERE
    cursors.note(event(5))
    cursors.note(event(4))
    assert cursors.noted(A) == (1, 5)
    cursors.note(event(2, epoch=2))
    cursors.note(event(9))
    assert cursors.noted(A) == (2, 2)


def test_what_came_further_while_it_was_written_is_not_forgotten() -> None:
    """Forgetting it would send the events in between again for nothing."""
    cursors = Cursors()
    cursors.note(event(5))
    cursors.note(event(1, account=B))
    written = cursors.unwritten()
    cursors.note(event(6))
    cursors.settle(written)
    assert cursors.unwritten() == {A: (1, 6)}
    cursors.settle(cursors.unwritten())
    assert cursors.unwritten() == {}
