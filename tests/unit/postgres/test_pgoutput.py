"""The pgoutput reader on messages written here by the protocol's documentation; the real server's are read in the protocol tests."""

import struct

import pytest

from controller.core.model import Lsn
from controller.postgres.pgoutput import transactions


def begin(end: int) -> bytes:
    """Begin: final position, time, transaction id."""
    return b"B" + struct.pack(">QqI", end - 8, 0, 700)


def origin(name: str, at: int) -> bytes:
    """Origin: where it was committed first, and its name here."""
    return b"O" + struct.pack(">Q", at) + name.encode() + b"\0"


def commit(end: int) -> bytes:
    """Commit: flags, commit position, end position, time."""
    return b"C\0" + struct.pack(">QQq", end - 8, end, 0)


INSERT = b"I" + b"\0" * 20


def test_a_transaction_ends_where_its_commit_ends() -> None:
    """Whoever has it stands at the end of the commit record, not at its start."""
    (one,) = transactions([begin(100), INSERT, commit(100)])
    assert one.end == Lsn(100)
    assert (one.origin, one.origin_name) == (None, None)


def test_an_origin_belongs_to_its_own_transaction() -> None:
    """A replicated transaction names where it ended first; the local one after it has none."""
    replicated, local = transactions([begin(100), origin("pg_16500", 7000), commit(100), begin(200), INSERT, commit(200)])
    assert (replicated.origin, replicated.origin_name) == (Lsn(7000), "pg_16500")
    assert (local.origin, local.origin_name) == (None, None)


def test_a_transaction_without_its_commit_is_not_told() -> None:
    """Half of one proves nothing."""
    assert list(transactions([begin(100), INSERT])) == []


@pytest.mark.parametrize("tag", [b"R", b"I", b"U", b"D", b"T", b"Y", b"M"])
def test_messages_without_a_position_are_skipped(tag: bytes) -> None:
    """Relations, rows, truncations, types, messages."""
    skipped = tag + b"\0" * 20
    (one,) = transactions([begin(100), skipped, origin("pg_1", 7), skipped, commit(100)])
    assert (one.end, one.origin, one.origin_name) == (100, 7, "pg_1")


def test_positions_use_all_their_bits() -> None:
    """A log of more than four gigabytes, and of more than eight exabytes."""
    far = (1 << 63) + 5
    (one,) = transactions([begin(far), origin("pg_1", far + 1), commit(far)])
    assert (one.end, one.origin) == (far, far + 1)
