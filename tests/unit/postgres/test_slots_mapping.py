"""Mapping a sibling's position into another node's log: an exact match or none, and a spare slot that never moves too far."""

from hypothesis import given
from hypothesis import strategies as some

from controller.core.model import Epoch, Lsn, Site
from controller.postgres.cut import read_position
from controller.postgres.node import Node, lsn_text, lsn_value
from controller.postgres.pgoutput import Transaction
from controller.postgres.session import Address, Sessions
from controller.postgres.slots import mapped_end, short_end

OURS, OTHER = "pg_100", "pg_200"


def replicated(end: int, origin: int | None, name: str | None = OURS) -> Transaction:
    """A transaction in the local log and where it came from."""
    return Transaction(end=Lsn(end), origin=None if origin is None else Lsn(origin), origin_name=name)


CHANGES = (replicated(10, 1000), replicated(20, 1100), replicated(30, None, None), replicated(40, 1200))


def test_only_the_very_transaction_matches() -> None:
    """The nearest earlier one would repeat payments, the nearest later one would skip some."""
    assert mapped_end(CHANGES, origin=OURS, lsn=Lsn(1100)) == 20
    for near in (999, 1001, 1099, 1101, 1201):
        assert mapped_end(CHANGES, origin=OURS, lsn=Lsn(near)) is None
    assert mapped_end((), origin=OURS, lsn=Lsn(1000)) is None


def test_a_number_of_another_stream_is_no_match() -> None:
    """Two servers' logs may hold the same number by chance."""
    assert mapped_end(CHANGES, origin=OTHER, lsn=Lsn(1100)) is None
    assert mapped_end((replicated(10, 1100, OTHER), replicated(20, 1100)), origin=OURS, lsn=Lsn(1100)) == 20


def test_a_spare_slot_keeps_the_siblings_last_transaction() -> None:
    """It moves to the end of the one before."""
    assert short_end(CHANGES, origin=OURS, lsn=Lsn(1200)) == 20
    assert short_end(CHANGES, origin=OURS, lsn=Lsn(1150)) == 10


def test_a_spare_slot_stays_while_there_is_nothing_to_leave_out() -> None:
    """One transaction must stay, and a sibling that stands nowhere holds everything."""
    assert short_end(CHANGES, origin=OURS, lsn=Lsn(1000)) is None
    assert short_end(CHANGES, origin=OURS, lsn=Lsn(0)) is None
    assert short_end((), origin=OURS, lsn=Lsn(1000)) is None
    assert short_end(CHANGES, origin=OTHER, lsn=Lsn(9999)) is None


@given(some.lists(some.integers(1, 50), min_size=1, unique=True), some.integers(0, 60), some.integers(0, 60))
def test_after_any_tending_the_sibling_is_still_found(origins: list[int], stands: int, later: int) -> None:
    """Wherever the sibling stood when the slot was moved, and however far it came since, its transaction is behind the slot."""
    changes = [replicated(number * 10, at) for number, at in enumerate(sorted(origins), 1)]
    moved = short_end(changes, origin=OURS, lsn=Lsn(stands)) or Lsn(0)
    left = [one for one in changes if one.end > moved]
    for at in origins:
        if at >= stands and at <= max(stands, later):
            assert mapped_end(left, origin=OURS, lsn=Lsn(at)) is not None
    applied = [at for at in origins if at <= stands]
    if applied:
        assert mapped_end(left, origin=OURS, lsn=Lsn(max(applied))) is not None


@given(some.integers(0, (1 << 64) - 1))
def test_a_position_is_written_and_read_the_same(lsn: int) -> None:
    """The way PostgreSQL does."""
    assert lsn_value(lsn_text(Lsn(lsn))) == lsn
    assert lsn_value(None) == 0


def test_a_position_is_written_as_postgresql_writes_it() -> None:
    """High and low half in hexadecimal, without leading zeros."""
    assert lsn_text(Lsn(0x1_0000_00AB)) == "1/AB"
    assert lsn_text(Lsn(0)) == "0/0"


# ------------------------------------------------------------------------------------------------ which position counts


def node() -> Node:
    """A node that is never connected to."""
    address = Address(host="127.0.0.1", port=1, database="payments", user="control", password="")
    return Node(service="payments", site=Site("aws"), sessions=Sessions(address, site="aws"), publishers={})


def rows(*streams: tuple[int, str, str], role: str = "follower", flushed: str = "0/500") -> list[tuple[object, ...]]:
    """What `trimaran.positions()` answers."""
    head = (role, True, flushed, 4)
    return [(*head, *stream) for stream in streams] or [(*head, None, None, None)]


def test_the_stream_of_the_reign_counts_before_a_later_number() -> None:
    """Positions of other epochs compare with nothing."""
    read = read_position(node(), rows((4, "azure", "0/10"), (3, "gcp", "0/999")), writer=Site("azure"), reign=Epoch(4))
    assert (read.publisher, read.epoch, read.lsn, read.marked) == ("azure", 4, 0x10, True)


def test_a_node_not_yet_attached_answers_with_its_latest_earlier_stream() -> None:
    """It wins no election, and can be attached again from there."""
    read = read_position(node(), rows((2, "azure", "0/10"), (3, "gcp", "0/20")), writer=Site("azure"), reign=Epoch(5))
    assert (read.publisher, read.epoch, read.lsn, read.marked) == ("gcp", 3, 0x20, False)


def test_a_stream_of_a_later_reign_is_not_looked_at() -> None:
    """A cut that arrives late reads no position that belongs to the next election."""
    read = read_position(node(), rows((6, "gcp", "0/20")), writer=Site("azure"), reign=Epoch(5))
    assert (read.publisher, read.epoch, read.lsn) == ("azure", 5, 0)


def test_a_node_without_streams_stands_nowhere() -> None:
    """0 is no position."""
    assert read_position(node(), rows(), writer=Site("azure"), reign=Epoch(5)).lsn == 0


def test_the_writer_itself_answers_with_its_own_log() -> None:
    """Fenced: all it has is all there is."""
    read = read_position(node(), rows(role="fenced"), writer=Site("aws"), reign=Epoch(5))
    assert (read.publisher, read.lsn) == ("aws", 0x500)
