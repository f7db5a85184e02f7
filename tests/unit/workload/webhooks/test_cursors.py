"""Successes that are not yet known to be in the database."""

from uuid import UUID

from workload.webhooks.cursors import Cursors

A = UUID(int=1)


def test_the_further_of_memory_and_database_counts() -> None:
    """Whichever it is."""
    cursors = Cursors()
    assert cursors.reached(A, 3) == 3
    cursors.note(A, 5)
    assert (cursors.reached(A, 3), cursors.reached(A, 7)) == (5, 7)


def test_a_note_never_moves_back() -> None:
    """A late courier tells old news."""
    cursors = Cursors()
    cursors.note(A, 5)
    cursors.note(A, 4)
    assert cursors.reached(A, 0) == 5


def test_what_came_further_while_it_was_written_is_not_forgotten() -> None:
    """Forgetting it would send the events in between again for nothing."""
    cursors = Cursors()
    cursors.note(A, 5)
    written = cursors.unwritten()
    cursors.note(A, 6)
    cursors.settle(written)
    assert cursors.unwritten() == {A: 6}
    cursors.settle(cursors.unwritten())
    assert cursors.unwritten() == {}
